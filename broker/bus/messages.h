#ifndef CRB_MESSAGES_H
#define CRB_MESSAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/text.h"

/*
 * What the processes say to each other: one table.  A packet is the type (u16)
 * and its fields in order, integers little-endian, TEXT and BYTES behind a u32
 * length.  TEXT has no NUL and at most `max` bytes, BYTES at most `max`.
 * Nothing may follow the last field.  A request and its reply are different
 * types, and a type goes in one direction only.
 *
 *   F(kind, name, max)
 *   M(NAME, name, from, to, with a descriptor: NO, YES, MAYBE)
 */

#define CRB_SESSION_ID_MAX 16
#define CRB_TASK_MAX 128
#define CRB_SERVICE_MAX 64
#define CRB_REGION_MAX 64
#define CRB_KEYS_MAX 16384    /* of a lease, in its form's own text */
#define CRB_TARGET_MAX 8192   /* a path, or a query */
#define CRB_HEADERS_MAX 16384 /* "name: value\n", lower-case names */
#define CRB_BODY_MAX 65536    /* of one BODY packet */
#define CRB_WHOLE_MAX 16384   /* body of an answer in one packet */
#define CRB_PACKET_MAX (160u << 10)

/* clang-format off */
/* Supervisor and core. */
#define CRB_FIELDS_PEER(F) \
	F(U8, role, 0) \
	F(U32, pid, 0) \
	F(U16, namespaces, 0) /* that it was born into: enum crb_apart */ \
	F(TEXT, problem, 256) /* why not all of them, or empty */
#define CRB_FIELDS_ADMIN(F) F(U32, restarts, 0) /* of the core */
#define CRB_FIELDS_STOP(F)
#define CRB_FIELDS_FOLDER_OPEN(F) \
	F(U32, request, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(U32, owner, 0) /* uid; UINT32_MAX: the broker's own */
#define CRB_FIELDS_FOLDER_OPENED(F) \
	F(U32, request, 0) \
	F(U8, ok, 0) \
	F(TEXT, error, 256)
/* A fresh one of the files in it: it is written through the descriptor. */
#define CRB_FIELDS_FILE_OPEN(F) \
	F(U32, request, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(U32, owner, 0) \
	F(U8, file, 0) /* enum crb_session_file */
#define CRB_FIELDS_FILE_OPENED(F) CRB_FIELDS_FOLDER_OPENED(F)
#define CRB_FIELDS_FOLDER_REMOVE(F) \
	F(U32, request, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX)
#define CRB_FIELDS_FOLDER_REMOVED(F) CRB_FIELDS_FOLDER_OPENED(F)
#define CRB_FIELDS_KDF_START(F) F(U32, request, 0)
#define CRB_FIELDS_KDF_STARTED(F) CRB_FIELDS_FOLDER_OPENED(F)
/* Said at start, and again whenever it is locked or unlocked. */
#define CRB_FIELDS_READY(F) \
	F(U8, locked, 0) \
	F(U32, sessions, 0) /* at most at a time */
/* Read the configuration again: the file comes along, when there is one. */
#define CRB_FIELDS_RELOAD(F)
/* The bus to it has ended, or what it said was the end of it. */
#define CRB_FIELDS_PEER_LOST(F) F(U32, pid, 0)
#define CRB_FIELDS_RELOADED(F) F(U8, ok, 0) /* the core logs why not */
/* A file of the policies; ok without a descriptor: there is none. */
#define CRB_FIELDS_POLICY_OPEN(F) \
	F(U32, request, 0) \
	F(U8, file, 0) /* enum crb_policy_file */
#define CRB_FIELDS_POLICY_OPENED(F) CRB_FIELDS_FOLDER_OPENED(F)
/* Run the hook of approvals, with the descriptor as its standard input. */
#define CRB_FIELDS_HOOK(F)

/* Core and gateway. */
#define CRB_FIELDS_SESSION_OPEN(F) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(TEXT, task, CRB_TASK_MAX) \
	F(BYTES, token_hash, 32) \
	F(U64, expires, 0) /* wall clock, seconds */ \
	F(U16, connections, 0) /* at most so many at once */ \
	F(U16, port, 0) /* of the host's that the forwarder has; 0: none */
#define CRB_FIELDS_SESSION_RENEW(F) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(U64, expires, 0)
/* From now on every request is refused with this; the socket stays. */
#define CRB_FIELDS_SESSION_END(F) \
	F(U32, request, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(TEXT, code, 64) /* "session_revoked" */ \
	F(TEXT, detail, 512)
#define CRB_FIELDS_SESSION_ENDED(F) \
	F(U32, request, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX)
/* Forget it, socket and all. */
#define CRB_FIELDS_SESSION_CLOSE(F) F(TEXT, session, CRB_SESSION_ID_MAX)
/* It could not be opened, for want of descriptors or memory: say it again. */
#define CRB_FIELDS_SESSION_MISSED(F) F(TEXT, session, CRB_SESSION_ID_MAX)
/* A stream that waits for the next exchange is needed no more. */
#define CRB_FIELDS_STREAM_CLOSE(F) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(U32, stream, 0)
/*
 * Keys of a live lease, which the gateway hands out by itself from now on; the
 * same name again replaces them.
 */
#define CRB_FIELDS_LEASE(F) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(TEXT, name, 64) /* of the credential */ \
	F(TEXT, form, 32) /* "aws-keys" */ \
	F(U64, expires, 0) /* wall clock, seconds */ \
	F(BYTES, keys, CRB_KEYS_MAX)
/* They are handed out no more. */
#define CRB_FIELDS_LEASE_DROP(F) \
	F(U32, request, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(TEXT, name, 64)
#define CRB_FIELDS_LEASE_DROPPED(F) F(U32, request, 0)
/* So often since this was last said. */
#define CRB_FIELDS_LEASE_FETCHED(F) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(TEXT, name, 64) \
	F(U32, count, 0)
/* /latest/ is answered, with this credential's leases; said after OPEN. */
#define CRB_FIELDS_SESSION_IMDS(F) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(TEXT, name, 64) \
	F(TEXT, region, CRB_REGION_MAX) /* empty: not known */ \
	F(TEXT, account, 16) /* likewise */

/* A question that the core answers itself: /v1/... */
#define CRB_FIELDS_QUERY(F) \
	F(U64, exchange, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(U8, what, 0) /* enum crb_query */ \
	F(U8, plain, 0) /* text/plain is wanted */ \
	F(TEXT, name, 128) \
	F(BYTES, body, 65536)
#define CRB_FIELDS_ANSWER(F) \
	F(U64, exchange, 0) \
	F(U16, status, 0) \
	F(TEXT, type, 128) /* Content-Type */ \
	F(TEXT, code, 64) /* Credbroker-Error, or empty */ \
	F(U16, retry, 0) /* Retry-After, in seconds; 0: none */ \
	F(BYTES, body, 131072)

/* A request that is to be sent upstream with the secret injected. */
#define CRB_FIELDS_EXCHANGE(F) \
	F(U64, exchange, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(U8, route, 0) /* enum crb_route_kind */ \
	F(TEXT, method, 16) \
	F(TEXT, target, CRB_TARGET_MAX) /* raw, behind "/git/" */ \
	F(TEXT, query, CRB_TARGET_MAX) /* raw, behind "?" */ \
	F(U8, has_query, 0) \
	F(U8, body, 0) /* enum crb_body */ \
	F(U64, length, 0) \
	/* Of CRB_ROUTE_HTTP, what the client signed for; or empty. */ \
	F(TEXT, service, CRB_SERVICE_MAX) \
	F(TEXT, region, CRB_REGION_MAX)
/*
 * More of an exchange has to be seen before there is a verdict.  The commands
 * of a push come in pieces, as they were sent; of a body only what it is, with
 * the body held meanwhile.
 */
#define CRB_FIELDS_NEED(F) \
	F(U64, exchange, 0) \
	F(U8, what, 0) /* enum crb_need */ \
	F(U32, most, 0) /* bytes; more is refused by the gateway */
#define CRB_FIELDS_SHOWN(F) \
	F(U64, exchange, 0) \
	F(U8, what, 0) \
	F(U8, last, 0) /* nothing more of it comes */ \
	F(BYTES, data, 65536) /* of CRB_NEED_COMMANDS */ \
	F(U32, length, 0) /* of CRB_NEED_BODY: bytes */ \
	F(BYTES, hash, 32) /* SHA-256 */ \
	F(TEXT, type, 128) /* Content-Type, or empty */ \
	/* Of CRB_ROUTE_HTTP, as crb_headers_bound() has them; or empty. */ \
	F(TEXT, headers, CRB_HEADERS_MAX)
/* It cannot be shown, or nobody waits any more; a verdict is said all the
 * same. */
#define CRB_FIELDS_WITHDRAWN(F) \
	F(U64, exchange, 0) \
	F(TEXT, code, 64) /* a problem's code, or empty: nobody waits */ \
	F(TEXT, detail, 512)
#define CRB_FIELDS_VERDICT(F) \
	F(U64, exchange, 0) \
	F(U8, allowed, 0) \
	F(U16, status, 0) /* the rest up to `next` only when refused */ \
	F(TEXT, code, 64) \
	F(TEXT, title, 128) \
	F(TEXT, detail, 1024) \
	F(TEXT, rule, 128) \
	F(TEXT, tier, 32) \
	F(TEXT, next, 512) \
	F(U16, retry, 0) /* Retry-After, in seconds; 0: none */ \
	/* Of a refused push, lines "REF REASON\n": what was refused of it. */ \
	F(BYTES, refs, 65536) \
	F(U8, operation, 0) /* enum crb_git_operation, also when refused */ \
	F(U64, job, 0) \
	F(U32, stream, 0) /* a new one when a descriptor comes with it */ \
	F(TEXT, origin, 300) /* "https://github.com": Location is rewritten */
/* The client is served, or gone.  clean: the stream can be used again. */
#define CRB_FIELDS_EXCHANGE_DONE(F) \
	F(U64, exchange, 0) \
	F(U64, job, 0) \
	F(U8, clean, 0) \
	F(U16, status, 0) /* as the sandbox saw it; 0: none */ \
	F(U64, up, 0) /* body bytes */ \
	F(U64, down, 0)

/* Core and egress. */
#define CRB_FIELDS_JOB(F) \
	F(U64, job, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(U32, stream, 0) \
	F(TEXT, method, 16) \
	F(U8, tls, 0) \
	F(TEXT, host, 256) \
	F(U16, port, 0) \
	F(TEXT, target, 2 * CRB_TARGET_MAX) /* path and query, as judged */ \
	F(TEXT, content_type, 128) /* empty: as the sandbox says */ \
	F(TEXT, backend, 32) \
	F(BYTES, params, 16384) /* JSON, without the CA */ \
	F(BYTES, secret, 16384) \
	F(U8, network, 0) /* enum crb_network */ \
	F(BYTES, ca, 65536) /* PEM; empty: the system's */ \
	F(TEXT, proxy, 512) /* URL, or empty */ \
	F(U8, body, 0) /* enum crb_body */ \
	F(U64, length, 0) \
	F(U8, route, 0) /* enum crb_route_kind */ \
	F(TEXT, service, CRB_SERVICE_MAX) /* to be signed for; or empty */ \
	F(TEXT, region, CRB_REGION_MAX) \
	/* Nothing of the body goes out before this much of it has come and \
	 * has this SHA-256, as it comes on the stream. */ \
	F(U8, judged, 0) /* enum crb_judged */ \
	F(U32, judged_length, 0) \
	F(BYTES, judged_hash, 32) \
	/* SHA-256 of what crb_headers_bound() makes of the head; or empty. */ \
	F(BYTES, judged_headers, 32) \
	/* Bytes of bodies, both together, of all requests of the session: how \
	 * many there may be, and what is left of that. */ \
	F(U64, bound, 0) \
	F(U64, most, 0)
#define CRB_FIELDS_JOB_CANCEL(F) \
	F(U64, job, 0) \
	F(TEXT, detail, 512) /* what the sandbox is told; may be empty */
#define CRB_FIELDS_JOB_DONE(F) \
	F(U64, job, 0) \
	F(U8, clean, 0) \
	F(TEXT, outcome, 32) /* enum crb_status's code, "ok" when done */ \
	F(U16, status, 0) /* upstream's; 0: none */ \
	F(U64, up, 0) \
	F(U64, down, 0) \
	F(U32, scrubbed, 0) /* places where the secret came back */ \
	F(TEXT, detail, 512)
/* Close what a session has open: streams, connections. */
#define CRB_FIELDS_SESSION_DROP(F) \
	F(U32, request, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX)
#define CRB_FIELDS_SESSION_DROPPED(F) \
	F(U32, request, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX)
/* Whether an upstream can be reached, without any secret. */
#define CRB_FIELDS_PROBE(F) \
	F(U32, request, 0) \
	F(U8, tls, 0) \
	F(TEXT, host, 256) \
	F(U16, port, 0) \
	F(U8, network, 0) /* enum crb_network */ \
	F(BYTES, ca, 65536) /* PEM; empty: the system's */ \
	F(TEXT, proxy, 512)
#define CRB_FIELDS_PROBED(F) \
	F(U32, request, 0) \
	F(U8, ok, 0) \
	F(U32, ms, 0) \
	F(TEXT, detail, 512)
/* Have the backend mint a lease: order and keys are its own (JSON, text). */
#define CRB_FIELDS_MINT(F) \
	F(U32, request, 0) \
	F(TEXT, session, CRB_SESSION_ID_MAX) \
	F(TEXT, backend, 32) \
	F(BYTES, params, 16384) /* JSON, without the CA */ \
	F(BYTES, secret, 16384) \
	F(BYTES, order, 16384) \
	F(BYTES, ca, 65536) /* PEM; empty: the system's */ \
	F(TEXT, proxy, 512)
#define CRB_FIELDS_MINTED(F) \
	F(U32, request, 0) \
	F(TEXT, outcome, 32) /* enum crb_status's code, "ok" when done */ \
	F(U16, status, 0) /* upstream's; 0: none */ \
	/* One request or more may have minted keys that nobody has. */ \
	F(U8, unsure, 0) \
	F(TEXT, detail, 512) /* why not; or what there is to say */ \
	F(TEXT, id, 128) /* the lease's upstream: an access key's id */ \
	F(U64, expires, 0) /* wall clock, seconds */ \
	F(BYTES, keys, CRB_KEYS_MAX)

/* Gateway and egress, on a stream. */
#define CRB_FIELDS_REQUEST_HEAD(F) \
	F(U64, job, 0) \
	F(TEXT, headers, CRB_HEADERS_MAX)
#define CRB_FIELDS_REQUEST_BODY(F) F(BYTES, data, CRB_BODY_MAX)
/* Behind every request, also one without a body. */
#define CRB_FIELDS_REQUEST_END(F)
/* Head and end in one, of a request without a body. */
#define CRB_FIELDS_REQUEST_WHOLE(F) \
	F(U64, job, 0) \
	F(TEXT, headers, CRB_HEADERS_MAX)
#define CRB_FIELDS_RESPONSE_HEAD(F) \
	F(U64, job, 0) \
	F(U16, status, 0) \
	F(U8, has_length, 0) \
	F(U64, length, 0) \
	F(TEXT, headers, CRB_HEADERS_MAX)
#define CRB_FIELDS_RESPONSE_BODY(F) F(BYTES, data, CRB_BODY_MAX)
/* clean: the stream is ready for the next job. */
#define CRB_FIELDS_RESPONSE_END(F) F(U8, clean, 0)
/* Head, body and end in one, of a short answer; the stream is ready. */
#define CRB_FIELDS_RESPONSE_WHOLE(F) \
	F(U64, job, 0) \
	F(U16, status, 0) \
	F(U8, has_length, 0) \
	F(U64, length, 0) \
	F(TEXT, headers, CRB_HEADERS_MAX) \
	F(BYTES, data, CRB_WHOLE_MAX)
/* Instead of a head, or after it; the stream is closed behind it. */
#define CRB_FIELDS_RESPONSE_FAIL(F) \
	F(U64, job, 0) \
	F(U16, status, 0) /* 502, 504 */ \
	F(TEXT, code, 64) \
	F(TEXT, detail, 512)

/* What a process has bound itself to, once. */
#define CRB_FIELDS_GATEWAY_CONFINED(F) \
	F(U32, uid, 0) \
	F(U8, seccomp, 0) \
	F(U8, root, 0) /* of its own */ \
	F(U16, namespaces, 0) /* that it has made: enum crb_apart */ \
	F(U8, landlock, 0) /* its version; 0: none */ \
	F(TEXT, problems, 512) /* lines */
#define CRB_FIELDS_EGRESS_CONFINED(F) CRB_FIELDS_GATEWAY_CONFINED(F)

#define CRB_MESSAGES(M) \
	M(PEER, peer, SUPERVISOR, CORE, YES) \
	M(ADMIN, admin, SUPERVISOR, CORE, YES) \
	M(STOP, stop, SUPERVISOR, CORE, NO) \
	M(FOLDER_OPEN, folder_open, CORE, SUPERVISOR, NO) \
	M(FOLDER_OPENED, folder_opened, SUPERVISOR, CORE, MAYBE) \
	M(FILE_OPEN, file_open, CORE, SUPERVISOR, NO) \
	M(FILE_OPENED, file_opened, SUPERVISOR, CORE, MAYBE) \
	M(FOLDER_REMOVE, folder_remove, CORE, SUPERVISOR, NO) \
	M(FOLDER_REMOVED, folder_removed, SUPERVISOR, CORE, NO) \
	M(KDF_START, kdf_start, CORE, SUPERVISOR, NO) \
	M(KDF_STARTED, kdf_started, SUPERVISOR, CORE, MAYBE) \
	M(READY, ready, CORE, SUPERVISOR, NO) \
	M(SESSION_OPEN, session_open, CORE, GATEWAY, YES) \
	M(SESSION_RENEW, session_renew, CORE, GATEWAY, NO) \
	M(SESSION_END, session_end, CORE, GATEWAY, NO) \
	M(SESSION_ENDED, session_ended, GATEWAY, CORE, NO) \
	M(SESSION_CLOSE, session_close, CORE, GATEWAY, NO) \
	M(QUERY, query, GATEWAY, CORE, NO) \
	M(ANSWER, answer, CORE, GATEWAY, NO) \
	M(EXCHANGE, exchange, GATEWAY, CORE, NO) \
	M(VERDICT, verdict, CORE, GATEWAY, MAYBE) \
	M(EXCHANGE_DONE, exchange_done, GATEWAY, CORE, NO) \
	M(JOB, job, CORE, EGRESS, MAYBE) \
	M(JOB_CANCEL, job_cancel, CORE, EGRESS, NO) \
	M(JOB_DONE, job_done, EGRESS, CORE, NO) \
	M(SESSION_DROP, session_drop, CORE, EGRESS, NO) \
	M(SESSION_DROPPED, session_dropped, EGRESS, CORE, NO) \
	M(REQUEST_HEAD, request_head, GATEWAY, EGRESS, NO) \
	M(REQUEST_BODY, request_body, GATEWAY, EGRESS, NO) \
	M(REQUEST_END, request_end, GATEWAY, EGRESS, NO) \
	M(RESPONSE_HEAD, response_head, EGRESS, GATEWAY, NO) \
	M(RESPONSE_BODY, response_body, EGRESS, GATEWAY, NO) \
	M(RESPONSE_END, response_end, EGRESS, GATEWAY, NO) \
	M(RESPONSE_FAIL, response_fail, EGRESS, GATEWAY, NO) \
	M(RELOAD, reload, SUPERVISOR, CORE, MAYBE) \
	M(RELOADED, reloaded, CORE, SUPERVISOR, NO) \
	M(PROBE, probe, CORE, EGRESS, NO) \
	M(PROBED, probed, EGRESS, CORE, NO) \
	M(SESSION_MISSED, session_missed, GATEWAY, CORE, NO) \
	M(STREAM_CLOSE, stream_close, CORE, GATEWAY, NO) \
	M(GATEWAY_CONFINED, gateway_confined, GATEWAY, CORE, NO) \
	M(EGRESS_CONFINED, egress_confined, EGRESS, CORE, NO) \
	M(PEER_LOST, peer_lost, CORE, SUPERVISOR, NO) \
	M(MINT, mint, CORE, EGRESS, NO) \
	M(MINTED, minted, EGRESS, CORE, NO) \
	M(LEASE, lease, CORE, GATEWAY, NO) \
	M(LEASE_DROP, lease_drop, CORE, GATEWAY, NO) \
	M(LEASE_DROPPED, lease_dropped, GATEWAY, CORE, NO) \
	M(LEASE_FETCHED, lease_fetched, GATEWAY, CORE, NO) \
	M(SESSION_IMDS, session_imds, CORE, GATEWAY, NO) \
	M(POLICY_OPEN, policy_open, CORE, SUPERVISOR, NO) \
	M(POLICY_OPENED, policy_opened, SUPERVISOR, CORE, MAYBE) \
	M(HOOK, hook, CORE, SUPERVISOR, YES) \
	M(NEED, need, CORE, GATEWAY, NO) \
	M(SHOWN, shown, GATEWAY, CORE, NO) \
	M(WITHDRAWN, withdrawn, GATEWAY, CORE, NO) \
	M(REQUEST_WHOLE, request_whole, GATEWAY, EGRESS, NO) \
	M(RESPONSE_WHOLE, response_whole, EGRESS, GATEWAY, NO)
/* clang-format on */

enum crb_role {
	CRB_ROLE_SUPERVISOR,
	CRB_ROLE_CORE,
	CRB_ROLE_GATEWAY,
	CRB_ROLE_EGRESS,
};

enum crb_query {
	CRB_QUERY_SESSION,     /* GET /v1/session */
	CRB_QUERY_CREDENTIALS, /* GET /v1/credentials */
	CRB_QUERY_CREDENTIAL,  /* GET /v1/credentials/NAME */
	CRB_QUERY_GIT_GET,     /* POST /v1/helper/git/get */
	CRB_QUERY_GIT_ERASE,
	/*
	 * Have a live lease of the credential `name`: 200 with an empty body
	 * says that it has been sent, and anything else why not.
	 */
	CRB_QUERY_LEASE,
};

/* What a session's folder holds besides the endpoint. */
enum crb_session_file {
	CRB_SESSION_TOKEN = 1,  /* "token" */
	CRB_SESSION_AWS_CONFIG, /* "aws-config" */
};

enum crb_policy_file {
	CRB_POLICY_KEY = 1,      /* "organization.pub" */
	CRB_POLICY_ORGANIZATION, /* "organization.json" */
	CRB_POLICY_SIGNATURE,    /* "organization.json.minisig" */
	CRB_POLICY_TEAM,         /* "team.json" */
	CRB_POLICY_LOCAL,        /* "local.json" */
	CRB_POLICY_FILES
};

/* What of an exchange has to be seen. */
enum crb_need {
	CRB_NEED_COMMANDS = 1, /* a push's, up to the flush that ends them */
	CRB_NEED_BODY,         /* its length, hash and type */
};
#define CRB_COMMANDS_MAX (1u << 20) /* bytes of a push's commands */
#define CRB_HELD_MAX (1u << 20)     /* bytes of a body that is held */

enum crb_judged {
	CRB_JUDGED_NOTHING,
	CRB_JUDGED_START, /* the body's first bytes */
	CRB_JUDGED_WHOLE, /* all of it */
};

enum crb_route_kind {
	CRB_ROUTE_GIT = 1, /* /git/HOST/PATH; target is behind "/git/" */
	CRB_ROUTE_HTTP,    /* /http/NAME/PATH; target is behind "/http/" */
};

enum crb_body { CRB_BODY_NONE, CRB_BODY_LENGTH, CRB_BODY_CHUNKED };

enum crb_git_operation {
	CRB_GIT_NONE,           /* could not be told */
	CRB_GIT_DISCOVER_FETCH, /* GET info/refs?service=git-upload-pack */
	CRB_GIT_DISCOVER_PUSH,  /* GET info/refs?service=git-receive-pack */
	CRB_GIT_FETCH,          /* POST git-upload-pack */
	CRB_GIT_PUSH,           /* POST git-receive-pack */
};

#define CRB_MSG_TYPE_U8_ uint8_t
#define CRB_MSG_TYPE_U16_ uint16_t
#define CRB_MSG_TYPE_U32_ uint32_t
#define CRB_MSG_TYPE_U64_ uint64_t
#define CRB_MSG_TYPE_TEXT_ struct crb_slice
#define CRB_MSG_TYPE_BYTES_ struct crb_slice
#define CRB_MSG_MEMBER_(kind, name, max) CRB_MSG_TYPE_##kind##_ name;

#define CRB_MSG_ENUM_(NAME, name, from, to, fd) CRB_MSG_##NAME,
enum crb_msg_type { CRB_MSG_NONE_, CRB_MESSAGES(CRB_MSG_ENUM_) CRB_MSG_COUNT_ };
#undef CRB_MSG_ENUM_

/* struct crb_msg_folder_open and so on; slices are borrowed. */
#define CRB_MSG_STRUCT_(NAME, name, from, to, fd)             \
	struct crb_msg_##name {                               \
		CRB_FIELDS_##NAME(CRB_MSG_MEMBER_) char end_; \
	};
CRB_MESSAGES(CRB_MSG_STRUCT_)
#undef CRB_MSG_STRUCT_

struct crb_msg {
	enum crb_msg_type type;
	int fd; /* that came with it, or -1 */
	union {
#define CRB_MSG_UNION_(NAME, name, from, to, fd) struct crb_msg_##name name;
		CRB_MESSAGES(CRB_MSG_UNION_)
#undef CRB_MSG_UNION_
	};
};

/*
 * `msg` points at the struct of its type.  Encoding checks every bound, as
 * decoding does.  *len is the packet's length.
 */
CRB_NODISCARD enum crb_status crb_msg_encode(enum crb_msg_type type,
    const void *msg, uint8_t *packet, size_t cap, size_t *len,
    struct crb_err *err);

/* What encoding it takes, when all bounds hold. */
size_t crb_msg_size(enum crb_msg_type type, const void *msg);

/* That a type goes from `from` to `to`, with a descriptor or without. */
CRB_NODISCARD enum crb_status crb_msg_check(enum crb_msg_type type,
    enum crb_role from, enum crb_role to, bool has_fd, struct crb_err *err);

/*
 * Slices of *out point into the packet.  The type must go from `from` to `to`,
 * and `fd` (-1 for none) must be there or not as the table says; it is stored
 * in out->fd on success and stays the caller's otherwise.
 */
CRB_NODISCARD enum crb_status crb_msg_decode(const uint8_t *packet, size_t len,
    int fd, enum crb_role from, enum crb_role to, struct crb_msg *out,
    struct crb_err *err);

const char *crb_msg_name(enum crb_msg_type type);

#endif /* !CRB_MESSAGES_H */
