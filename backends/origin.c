#include <arpa/inet.h>
#include <string.h>

#include "backends/backend.h"
#include "base/text.h"
#include "base/units.h"

#define LABEL_MAX 63u
#define HOST_MAX 253u
#define PORT_TLS 443u
#define PORT_CLEAR 80u

/*
 * No message here repeats the text: who pastes "https://user:token@host" must
 * not find the token in a log.
 */

static bool
is_label_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool
label_ok(struct crb_slice label)
{
	if (label.len == 0 || label.len > LABEL_MAX || label.p[0] == '-' ||
	    label.p[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		if (!is_label_char(label.p[i]))
			return false;
	}
	return true;
}

/*
 * Resolvers read "127.1", "0x7f.1" and "2130706433" as addresses, so a name
 * whose last label looks like a number must be a plain dotted quad.
 */
static bool
is_numeric(struct crb_slice label)
{
	bool hex = crb_slice_starts(label, "0x");

	for (size_t i = hex ? 2 : 0; i < label.len; i++) {
		char c = label.p[i];

		if (!(c >= '0' && c <= '9') && !(hex && c >= 'a' && c <= 'f'))
			return false;
	}
	return true;
}

static enum crb_status
check_host(const char *host, struct crb_err *err)
{
	struct crb_slice rest = CRB_SLICE(host);
	struct crb_slice label = rest;
	struct in_addr quad;

	while (crb_slice_cut(&rest, '.', &label)) {
		if (!label_ok(label))
			return crb_err_set(err, CRB_ERR_INVALID,
			    "not a host name: letters, digits, \"-\" and "
			    "\".\" only, written out, international ones as "
			    "xn--");
	}
	if (is_numeric(label) && inet_pton(AF_INET, host, &quad) != 1)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "not a plain IPv4 address");
	return CRB_OK;
}

static enum crb_status
parse_port(struct crb_slice text, unsigned *port, struct crb_err *err)
{
	uint64_t number = 0;
	struct crb_err ignored;

	if (text.len == 0 || text.p[0] == '0' ||
	    crb_number_parse(text.p, text.len, UINT16_MAX, &number, &ignored) !=
		CRB_OK)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a port is a number from 1 to 65535");
	*port = (unsigned)number;
	return CRB_OK;
}

/* The scheme is cut off `text`, and the default port set. */
static enum crb_status
parse_scheme(
    struct crb_slice *text, struct crb_origin *origin, struct crb_err *err)
{
	static const char clear[] = "http://";
	static const char tls[] = "https://";

	origin->tls = !crb_slice_starts(*text, clear);
	origin->port = origin->tls ? PORT_TLS : PORT_CLEAR;
	if (!origin->tls) {
		text->p += strlen(clear);
		text->len -= strlen(clear);
	} else if (crb_slice_starts(*text, tls)) {
		text->p += strlen(tls);
		text->len -= strlen(tls);
	}
	if (memchr(text->p, '@', text->len) != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a host must not have a user name or password before it");
	if (memchr(text->p, '/', text->len) != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "a host is written HOST[:PORT], or http://HOST[:PORT], "
		    "without a path");
	if (memchr(text->p, '[', text->len) != NULL)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "IPv6 addresses are not supported here: use a name");
	return CRB_OK;
}

enum crb_status
crb_origin_parse(const char *text, struct crb_origin *out, struct crb_err *err)
{
	struct crb_origin origin = { 0 };
	struct crb_slice rest = CRB_SLICE(text);
	struct crb_slice host;
	enum crb_status status;

	if ((status = parse_scheme(&rest, &origin, err)) != CRB_OK)
		return status;
	(void)crb_slice_cut(&rest, ':', &host);
	if (rest.p != NULL &&
	    (status = parse_port(rest, &origin.port, err)) != CRB_OK)
		return status;
	if (host.len == 0)
		return crb_err_set(err, CRB_ERR_INVALID, "the host is missing");
	if (host.len > HOST_MAX)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "a host name is longer than %u bytes", HOST_MAX);
	for (size_t i = 0; i < host.len; i++)
		origin.host[i] = crb_text_lower(host.p[i]);
	if ((status = check_host(origin.host, err)) != CRB_OK)
		return status;
	*out = origin;
	return CRB_OK;
}

void
crb_origin_authority(const struct crb_origin *origin, struct crb_buf *out)
{
	crb_buf_str(out, origin->host);
	if (origin->port != (origin->tls ? PORT_TLS : PORT_CLEAR))
		crb_buf_printf(out, ":%u", origin->port);
}
