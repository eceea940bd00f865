#ifndef CRB_XML_H
#define CRB_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Picks texts out of an XML document (www.w3.org/TR/xml) that somebody else
 * wrote: one pass, no recursion, bounded.  Of XML there are elements,
 * attributes, which are passed over, text, the five named entities, references
 * to characters, and a declaration in front.  All else is refused, document
 * types, comments, CDATA and instructions among it.  Names of elements are
 * compared as they stand; a default namespace makes no difference.
 */
#define CRB_XML_DEPTH_MAX 16u
#define CRB_XML_ELEMENTS_MAX 512u
#define CRB_XML_NAME_MAX 64u

struct crb_xml_field {
	const char *path;     /* "Error/Code", from the root */
	struct crb_buf *text; /* appended to; NULL: it is only looked for */
	bool there;           /* set; two of them are an error */
};

/* No error repeats a byte of the document.  A failure may leave texts. */
CRB_NODISCARD enum crb_status crb_xml_extract(const char *text, size_t len,
    struct crb_xml_field *fields, size_t count, struct crb_err *err);

#endif /* !CRB_XML_H */
