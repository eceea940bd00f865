#ifndef CRB_FAKE_HTTP_SERVER_H
#define CRB_FAKE_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>

/*
 * An upstream on loopback, in a thread of its own: one connection at a time,
 * one request each, answered by what `answers` has for its target.
 */
struct http_answer {
	const char *target; /* NULL: the table's end */
	/* Sent as they are; after the last it is the last again. */
	const char *const *texts; /* NULL-terminated */
	size_t fill;              /* so many bytes behind */
	bool hang; /* keep the connection until the client goes */
};

struct http_server;

/* `answers` is borrowed. */
struct http_server *http_server_start(const struct http_answer *answers);
void http_server_stop(struct http_server *server);
unsigned http_server_port(const struct http_server *server);
/* Requests that have come so far. */
unsigned http_server_count(struct http_server *server);
/* Until so many have come. */
void http_server_await(struct http_server *server, unsigned count);
/* The last one, head and body; borrowed until the next comes. */
const char *http_server_last(struct http_server *server);

#endif /* !CRB_FAKE_HTTP_SERVER_H */
