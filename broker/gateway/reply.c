#include "broker/gateway/reply.h"

#include <string.h>

#include "base/cleanup.h"
#include "broker/bus/headers.h"
#include "broker/gateway/location.h"

#define LOCATION_MAX (CRB_HEADERS_MAX + 512)

/* Responses of git's protocol, which are in pkt-lines. */
static const char *const framed_types[] = {
	"application/x-git-upload-pack-result",
	"application/x-git-receive-pack-result",
	"application/x-git-upload-pack-advertisement",
	"application/x-git-receive-pack-advertisement",
};

static bool
is_framed(struct crb_slice type)
{
	for (size_t i = 0; i < sizeof(framed_types) / sizeof(framed_types[0]);
	     i++) {
		if (crb_slice_is_nocase(type, framed_types[i]))
			return true;
	}
	return false;
}

bool
crb_reply_is_framed(const struct crb_reply *reply)
{
	struct crb_slice rest = CRB_SLICE(reply->headers);
	struct crb_header header;
	struct crb_err err;
	bool framed = false;
	bool more = true;

	while (crb_headers_next(&rest, &header, &more, &err) == CRB_OK && more)
		framed = framed ||
		    (crb_slice_is(header.name, "content-type") &&
			is_framed(header.value));
	return framed;
}

/* Ours says no-store; of an object it is a part of what is known of it. */
static bool
is_passed(const struct crb_exchange *exchange, struct crb_slice name)
{
	return crb_header_response_ok(exchange->route, name) &&
	    (exchange->route == CRB_ROUTE_HTTP ||
		!crb_slice_is(name, "cache-control"));
}

/*
 * Of an API it is rewritten where a client follows it; elsewhere it is the name
 * of something.
 */
static void
add_location(const struct crb_exchange *exchange, struct crb_slice value,
    struct crb_buf *out)
{
	CRB_AUTO_BUF struct crb_buf prefix = CRB_BUF_INIT(256);
	struct crb_slice origin = CRB_SLICE(exchange->origin);
	struct crb_slice rest = { exchange->match.rest,
		exchange->match.rest_len };
	struct crb_slice name;

	if (exchange->route == CRB_ROUTE_GIT) {
		crb_location_rewrite(out, value, origin);
		return;
	}
	(void)crb_slice_cut(&rest, '/', &name);
	crb_buf_str(&prefix, "/http/");
	crb_buf_add(&prefix, name.p, name.len);
	if (exchange->reply.status >= 300 && exchange->reply.status < 400)
		crb_location_rewrite_to(
		    out, value, origin, CRB_SLICE(crb_buf_text(&prefix)));
	else
		crb_buf_add(out, value.p, value.len);
}

static bool
add_header(const struct crb_exchange *exchange, struct MHD_Response *response,
    const struct crb_header *header)
{
	CRB_AUTO_BUF struct crb_buf value = CRB_BUF_INIT(LOCATION_MAX);
	char name[CRB_HEADER_NAME_MAX + 1];

	if (header->name.len >= sizeof(name))
		return false;
	memcpy(name, header->name.p, header->name.len);
	name[header->name.len] = '\0';
	if (crb_slice_is(header->name, "location"))
		add_location(exchange, header->value, &value);
	else
		crb_buf_add(&value, header->value.p, header->value.len);
	if (crb_slice_is(header->name, "cache-control"))
		(void)MHD_del_response_header(
		    response, "Cache-Control", "no-store");
	return !value.failed &&
	    MHD_add_response_header(response, name, crb_buf_text(&value)) ==
	    MHD_YES;
}

bool
crb_reply_add_headers(
    const struct crb_exchange *exchange, struct MHD_Response *response)
{
	struct crb_slice rest = CRB_SLICE(exchange->reply.headers);
	struct crb_header header;
	struct crb_err err;
	bool more;

	for (unsigned i = 0; i <= CRB_HEADERS_COUNT_MAX; i++) {
		if (crb_headers_next(&rest, &header, &more, &err) != CRB_OK)
			return false;
		if (!more)
			return true;
		if (is_passed(exchange, header.name) &&
		    !add_header(exchange, response, &header))
			return false;
	}
	return false;
}
