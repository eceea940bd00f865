#include "broker/bus/messages.h"

#include <stdbool.h>
#include <string.h>

enum kind { END, U8, U16, U32, U64, TEXT, BYTES };

/* One member of a message's struct, and of its packet. */
struct field {
	const char *name;
	enum kind kind;
	size_t offset;
	size_t max;
};

enum descriptor { NO, YES, MAYBE };

struct message {
	const char *name;
	enum crb_role from, to;
	enum descriptor fd;
	const struct field *(*fields)(void);
};

/* A function each, since its `self` is how a field finds its struct. */
#define FIELD(kind, name, max) { #name, kind, offsetof(self, name), (max) },
#define FIELDS(NAME, name, from, to, fd)                                  \
	static const struct field *fields_##name(void)                    \
	{                                                                 \
		typedef struct crb_msg_##name self;                       \
		static const struct field fields[] = { CRB_FIELDS_##NAME( \
		    FIELD){ NULL, END, sizeof(self), 0 } };               \
		return fields;                                            \
	}
CRB_MESSAGES(FIELDS)

#define MESSAGE(NAME, name, from, to, fd)                               \
	[CRB_MSG_##NAME] = { #NAME, CRB_ROLE_##from, CRB_ROLE_##to, fd, \
		fields_##name },
static const struct message messages[CRB_MSG_COUNT_] = { CRB_MESSAGES(
    MESSAGE) };

/* Every message fits, whatever is in it. */
#define SIZE_U8(max) 1
#define SIZE_U16(max) 2
#define SIZE_U32(max) 4
#define SIZE_U64(max) 8
#define SIZE_TEXT(max) (4 + (max))
#define SIZE_BYTES(max) (4 + (max))
#define SIZE(kind, name, max) +SIZE_##kind(max)
#define FITS(NAME, name, from, to, fd) \
	_Static_assert(2 CRB_FIELDS_##NAME(SIZE) <= CRB_PACKET_MAX, #NAME);
CRB_MESSAGES(FITS)

static const struct message *
message_of(enum crb_msg_type type)
{
	if (type <= CRB_MSG_NONE_ || type >= CRB_MSG_COUNT_)
		return NULL;
	return &messages[type];
}

static size_t
width(enum kind kind)
{
	static const size_t bytes[] = { [U8] = 1,
		[U16] = 2,
		[U32] = 4,
		[U64] = 8,
		[TEXT] = 4,
		[BYTES] = 4 };

	return bytes[kind];
}

static bool
is_slice(const struct field *field)
{
	return field->kind == TEXT || field->kind == BYTES;
}

/* Where a packet is read or written, and where it ends. */
struct cursor {
	uint8_t *at;
	const uint8_t *end;
};

static size_t
left(const struct cursor *cursor)
{
	return (size_t)(cursor->end - cursor->at);
}

static bool
put_number(struct cursor *cursor, uint64_t value, size_t bytes)
{
	if (left(cursor) < bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		cursor->at[i] = (uint8_t)(value >> (8 * i));
	cursor->at += bytes;
	return true;
}

static bool
get_number(struct cursor *cursor, uint64_t *value, size_t bytes)
{
	uint64_t number = 0;

	if (left(cursor) < bytes)
		return false;
	for (size_t i = 0; i < bytes; i++)
		number |= (uint64_t)cursor->at[i] << (8 * i);
	cursor->at += bytes;
	*value = number;
	return true;
}

static uint64_t
load_number(const void *member, enum kind kind)
{
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;

	switch (kind) {
	case U8:
		memcpy(&u8, member, sizeof(u8));
		return u8;
	case U16:
		memcpy(&u16, member, sizeof(u16));
		return u16;
	case U32:
		memcpy(&u32, member, sizeof(u32));
		return u32;
	case U64:
		memcpy(&u64, member, sizeof(u64));
		return u64;
	case TEXT:
	case BYTES:
	case END:
		break;
	}
	return 0;
}

static void
store_number(void *member, enum kind kind, uint64_t value)
{
	uint8_t u8 = (uint8_t)value;
	uint16_t u16 = (uint16_t)value;
	uint32_t u32 = (uint32_t)value;

	switch (kind) {
	case U8:
		memcpy(member, &u8, sizeof(u8));
		break;
	case U16:
		memcpy(member, &u16, sizeof(u16));
		break;
	case U32:
		memcpy(member, &u32, sizeof(u32));
		break;
	case U64:
		memcpy(member, &value, sizeof(value));
		break;
	case TEXT:
	case BYTES:
	case END:
		break;
	}
}

static enum crb_status
field_error(const struct message *message, const struct field *field,
    const char *what, struct crb_err *err)
{
	return crb_err_set(err, CRB_ERR_INVALID, "message %s: %s %s",
	    message->name, field->name, what);
}

/* The bounds that hold on both ends. */
static enum crb_status
check_slice(const struct message *message, const struct field *field,
    const struct crb_slice *slice, struct crb_err *err)
{
	if (slice->len > field->max)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "message %s: %s has %zu bytes, of %zu at most",
		    message->name, field->name, slice->len, field->max);
	if (field->kind == TEXT && slice->len > 0 &&
	    memchr(slice->p, '\0', slice->len) != NULL)
		return field_error(message, field, "contains a NUL", err);
	return CRB_OK;
}

static enum crb_status
put_slice(const struct message *message, const struct field *field,
    const struct crb_slice *slice, struct cursor *cursor, struct crb_err *err)
{
	if (check_slice(message, field, slice, err) != CRB_OK)
		return err->status;
	if (!put_number(cursor, slice->len, width(field->kind)) ||
	    left(cursor) < slice->len)
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "message %s: no room for it", message->name);
	if (slice->len > 0)
		memcpy(cursor->at, slice->p, slice->len);
	cursor->at += slice->len;
	return CRB_OK;
}

static enum crb_status
put_field(const struct message *message, const struct field *field,
    const void *msg, struct cursor *cursor, struct crb_err *err)
{
	const void *member = (const char *)msg + field->offset;
	struct crb_slice slice;

	if (is_slice(field)) {
		memcpy(&slice, member, sizeof(slice));
		return put_slice(message, field, &slice, cursor, err);
	}
	if (!put_number(
		cursor, load_number(member, field->kind), width(field->kind)))
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "message %s: no room for it", message->name);
	return CRB_OK;
}

enum crb_status
crb_msg_encode(enum crb_msg_type type, const void *msg, uint8_t *packet,
    size_t cap, size_t *len, struct crb_err *err)
{
	const struct message *message = message_of(type);
	struct cursor cursor = { packet, packet + cap };
	const struct field *field;

	if (message == NULL)
		return crb_err_set(err, CRB_ERR_INVALID, "no such message");
	if (!put_number(&cursor, (uint64_t)type, 2))
		return crb_err_set(err, CRB_ERR_TOO_LARGE,
		    "message %s: no room for it", message->name);
	for (field = message->fields(); field->kind != END; field++)
		if (put_field(message, field, msg, &cursor, err) != CRB_OK)
			return err->status;
	*len = (size_t)(cursor.at - packet);
	return CRB_OK;
}

size_t
crb_msg_size(enum crb_msg_type type, const void *msg)
{
	const struct message *message = message_of(type);
	const struct field *field;
	struct crb_slice slice;
	size_t size = 2;

	if (message == NULL)
		return 0;
	for (field = message->fields(); field->kind != END; field++) {
		size += width(field->kind);
		if (!is_slice(field))
			continue;
		memcpy(
		    &slice, (const char *)msg + field->offset, sizeof(slice));
		/* One that is over its bound will not be encoded. */
		size += slice.len <= field->max ? slice.len : 0;
	}
	return size;
}

enum crb_status
crb_msg_check(enum crb_msg_type type, enum crb_role from, enum crb_role to,
    bool has_fd, struct crb_err *err)
{
	const struct message *message = message_of(type);

	if (message == NULL)
		return crb_err_set(err, CRB_ERR_INVALID, "no such message");
	if (message->from != from || message->to != to)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "message %s: not from this process, or not to it",
		    message->name);
	if (has_fd ? message->fd == NO : message->fd == YES)
		return crb_err_set(err, CRB_ERR_INVALID, "message %s: %s",
		    message->name,
		    has_fd ? "a descriptor came with it"
			   : "no descriptor came with it");
	return CRB_OK;
}

static enum crb_status
get_field(const struct message *message, const struct field *field,
    struct cursor *cursor, void *msg, struct crb_err *err)
{
	void *member = (char *)msg + field->offset;
	struct crb_slice slice;
	uint64_t number;

	if (!get_number(cursor, &number, width(field->kind)))
		return field_error(message, field, "is cut off", err);
	if (!is_slice(field)) {
		store_number(member, field->kind, number);
		return CRB_OK;
	}
	if (number > left(cursor))
		return field_error(message, field, "is cut off", err);
	slice = (struct crb_slice){ (const char *)cursor->at, (size_t)number };
	if (check_slice(message, field, &slice, err) != CRB_OK)
		return err->status;
	memcpy(member, &slice, sizeof(slice));
	cursor->at += slice.len;
	return CRB_OK;
}

enum crb_status
crb_msg_decode(const uint8_t *packet, size_t len, int fd, enum crb_role from,
    enum crb_role to, struct crb_msg *out, struct crb_err *err)
{
	/* Reading moves the cursor and writes nothing through it. */
	struct cursor cursor = { (uint8_t *)(uintptr_t)packet, packet + len };
	const struct message *message;
	const struct field *field;
	struct crb_msg msg = { .fd = fd };
	/* All structs of the union start where it does. */
	void *body = (char *)&msg + offsetof(struct crb_msg, peer);
	uint64_t type;

	if (!get_number(&cursor, &type, 2))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a packet without a type");
	if (type >= CRB_MSG_COUNT_)
		type = CRB_MSG_NONE_;
	msg.type = (enum crb_msg_type)type;
	if (crb_msg_check(msg.type, from, to, fd != -1, err) != CRB_OK)
		return err->status;
	message = &messages[msg.type];
	for (field = message->fields(); field->kind != END; field++)
		if (get_field(message, field, &cursor, body, err) != CRB_OK)
			return err->status;
	if (left(&cursor) > 0)
		return crb_err_set(err, CRB_ERR_INVALID,
		    "message %s: bytes behind its end", message->name);
	*out = msg;
	return CRB_OK;
}

const char *
crb_msg_name(enum crb_msg_type type)
{
	const struct message *message = message_of(type);

	return message != NULL ? message->name : "unknown";
}
