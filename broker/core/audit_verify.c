#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "broker/core/audit.h"
#include "broker/core/audit_chain.h"
#include "broker/core/audit_key.h"

enum crb_status
crb_audit_verify(const char *folder, const uint8_t *public,
    struct crb_audit_verdict *out, struct crb_err *err)
{
	CRB_AUTO_AUDIT_FILES struct crb_audit_files files = { 0 };
	struct crb_audit_chain chain = { 0 };
	uint8_t beside[CRB_AUDIT_PUBLIC_BYTES];
	char audit[CRB_PATH_MAX];
	off_t good, torn;
	uint64_t first = 0;

	if (crb_path_join(audit, folder, CRB_AUDIT_FOLDER, err) != CRB_OK ||
	    crb_audit_files_list(audit, &files, err) != CRB_OK)
		return err->status;
	if (files.count == 0)
		return crb_err_set(err, CRB_ERR_NOT_FOUND,
		    "%s: there is no audit log yet", audit);
	if (public == NULL) {
		if (crb_audit_public_read(audit, beside, err) != CRB_OK)
			return err->status;
		public = beside;
	}
	/* Old files may have been moved elsewhere: say where it begins. */
	chain.anywhere = files.number[0] != 1;
	for (size_t i = 0; i < files.count; i++) {
		if (i > 0 && files.number[i] != files.number[i - 1] + 1)
			return crb_err_set(err, CRB_ERR_CORRUPT,
			    "audit: file %06u is missing",
			    files.number[i - 1] + 1);
		if (crb_audit_chain_file(audit, files.number[i], &chain, public,
			&good, &torn, err) != CRB_OK)
			return err->status;
		if (first == 0 && chain.lines > 0)
			first = chain.n - chain.lines + 1;
		if (torn != 0 && i + 1 < files.count)
			return crb_err_set(err, CRB_ERR_CORRUPT,
			    "audit: file %06u ends inside a line",
			    files.number[i]);
	}
	*out = (struct crb_audit_verdict){
		.lines = chain.lines,
		.first = first,
		.checkpoints = chain.checkpoints,
		.unsigned_lines = chain.unsigned_lines,
	};
	return CRB_OK;
}
