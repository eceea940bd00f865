/*
 * A head: "METHOD TARGET VERSION", then "Name: value" lines.  What passes has
 * a host of the list, one framing, and nothing that must not be there.
 */
#include "broker/gateway/request_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "broker/gateway/routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct head {
	char text[16384];
	struct crb_header headers[CRB_REQUEST_HEADERS_MAX + 1];
	struct crb_request_view view;
};

static struct crb_slice
line(struct crb_slice *rest)
{
	struct crb_slice one = { "", 0 };

	(void)crb_slice_cut(rest, '\n', &one);
	return one;
}

/* A word of the first line, NUL-terminated in place. */
static const char *
word(char **at)
{
	char *start = *at;

	*at += strcspn(*at, " ");
	if (**at != '\0')
		*(*at)++ = '\0';
	return start;
}

static void
read_headers(struct head *head, struct crb_slice rest)
{
	while (rest.len > 0 &&
	    head->view.header_count <= CRB_REQUEST_HEADERS_MAX) {
		struct crb_slice value = line(&rest);
		struct crb_slice name;

		if (!crb_slice_cut(&value, ':', &name))
			break;
		head->headers[head->view.header_count++] = (struct crb_header){
			name, value
		};
	}
}

static bool
has(const struct head *head, const char *name)
{
	for (size_t i = 0; i < head->view.header_count; i++) {
		if (crb_slice_is_nocase(head->headers[i].name, name))
			return true;
	}
	return false;
}

static bool
host_ok(const struct head *head)
{
	size_t count = 0;

	for (size_t i = 0; i < head->view.header_count; i++) {
		struct crb_slice value = head->headers[i].value;

		if (!crb_slice_is_nocase(head->headers[i].name, "host"))
			continue;
		count++;
		if (!crb_slice_starts(value, "127.0.0.1") &&
		    !crb_slice_starts(value, "localhost") &&
		    !crb_slice_starts(value, "[::1]"))
			return false;
	}
	return count == 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct head head;
	struct crb_request_facts facts;
	struct crb_route_match match;
	struct crb_refusal refusal;
	struct crb_slice rest;
	char *at = head.text;

	if (size >= sizeof(head.text) || memchr(data, 0, size) != NULL)
		return 0;
	memset(&head.view, 0, sizeof(head.view));
	memcpy(head.text, data, size);
	head.text[size] = '\0';
	rest = (struct crb_slice){ head.text, size };
	head.text[line(&rest).len] = '\0';
	head.view.method = word(&at);
	head.view.target = word(&at);
	head.view.version = word(&at);
	head.view.headers = head.headers;
	read_headers(&head, rest);
	if (!crb_request_check(&head.view, &facts, &refusal)) {
		if (refusal.status < 400 || refusal.detail[0] == '\0')
			abort();
		return 0;
	}
	if (!host_ok(&head) || has(&head, "origin") || has(&head, "via") ||
	    has(&head, "x-forwarded-for") || head.view.target[0] != '/' ||
	    (has(&head, "content-length") && has(&head, "transfer-encoding")))
		abort();
	if (!crb_route_find(
		head.view.method, head.view.target, &match, &refusal) &&
	    refusal.status < 400)
		abort();
	return 0;
}
