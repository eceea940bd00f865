#include "backends/sts_reply.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "backends/aws_keys.h"
#include "backends/xml.h"
#include "base/buf.h"
#include "base/text.h"
#include "base/units.h"

#define PATH_SIZE 128u
#define EXPIRATION_MAX 40u
#define PACKED_MAX 8u
#define MESSAGE_MAX (16u << 10)

void
crb_sts_reply_clear(struct crb_sts_reply *reply)
{
	crb_secret_free(reply->keys);
	memset(reply, 0, sizeof(*reply));
}

static bool
is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned
days_in(unsigned year, unsigned month)
{
	static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31,
		30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

static int64_t
days_before(unsigned year, unsigned month)
{
	int64_t days = 0;

	for (unsigned y = 1970; y < year; y++)
		days += is_leap(y) ? 366 : 365;
	for (unsigned m = 1; m < month; m++)
		days += days_in(year, m);
	return days;
}

/* Digits where the pattern has "0", and itself elsewhere. */
static bool
is_like(const char *text, const char *pattern)
{
	for (; *pattern != '\0'; text++, pattern++) {
		bool digit = *text >= '0' && *text <= '9';

		if (*pattern == '0' ? !digit : *text != *pattern)
			return false;
	}
	return true;
}

static unsigned
number_at(const char *text, size_t digits)
{
	unsigned number = 0;

	for (size_t i = 0; i < digits; i++)
		number = 10 * number + (unsigned)(text[i] - '0');
	return number;
}

/* Behind the seconds: "Z", or ".123Z". */
static bool
is_end(const char *text)
{
	size_t digits = 0;

	if (*text == '.') {
		digits = strspn(++text, "0123456789");
		if (digits == 0 || digits > 9)
			return false;
	}
	return strcmp(text + digits, "Z") == 0;
}

enum crb_status
crb_sts_time(const char *text, int64_t *seconds, struct crb_err *err)
{
	static const char pattern[] = "0000-00-00T00:00:00";
	unsigned year, month, day, hour, minute, second;

	if (!is_like(text, pattern) || !is_end(text + strlen(pattern)))
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a time is not written as UTC");
	year = number_at(text, 4);
	month = number_at(text + 5, 2);
	day = number_at(text + 8, 2);
	hour = number_at(text + 11, 2);
	minute = number_at(text + 14, 2);
	second = number_at(text + 17, 2);
	if (year < 1970 || month < 1 || month > 12 || day < 1 ||
	    day > days_in(year, month) || hour > 23 || minute > 59 ||
	    second > 59)
		return crb_err_set(
		    err, CRB_ERR_INVALID, "a time that there is not");
	*seconds = (days_before(year, month) + day - 1) * 86400 +
	    (int64_t)hour * 3600 + (int64_t)minute * 60 + (int64_t)second;
	return CRB_OK;
}

enum field {
	RESULT,
	CREDENTIALS,
	ID,
	SECRET,
	TOKEN,
	EXPIRATION,
	PACKED,
	FIELDS
};

static const struct place {
	const char *below; /* the result */
	const char *said;
	bool required;
} places[FIELDS] = {
	[RESULT] = { "", "result", true },
	[CREDENTIALS] = { "/Credentials", "Credentials", true },
	[ID] = { "/Credentials/AccessKeyId", "AccessKeyId", true },
	[SECRET] = { "/Credentials/SecretAccessKey", "SecretAccessKey", true },
	[TOKEN] = { "/Credentials/SessionToken", "SessionToken", true },
	[EXPIRATION] = { "/Credentials/Expiration", "Expiration", true },
	[PACKED] = { "/PackedPolicySize", "PackedPolicySize", false },
};

static enum crb_status
extract(const char *action, const char *text, size_t len,
    struct crb_buf *texts[FIELDS], struct crb_err *err)
{
	struct crb_xml_field fields[FIELDS];
	char paths[FIELDS][PATH_SIZE];
	enum crb_status status;

	for (size_t i = 0; i < FIELDS; i++) {
		(void)snprintf(paths[i], PATH_SIZE, "%sResponse/%sResult%s",
		    action, action, places[i].below);
		fields[i] = (struct crb_xml_field){ .path = paths[i],
			.text = texts[i] };
	}
	if ((status = crb_xml_extract(text, len, fields, FIELDS, err)) !=
	    CRB_OK)
		return status;
	for (size_t i = 0; i < FIELDS; i++) {
		if (places[i].required && !fields[i].there)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "there is no %s", places[i].said);
	}
	return CRB_OK;
}

enum crb_status
crb_sts_reply_read(const char *action, const char *text, size_t len,
    struct crb_sts_reply *out, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf id = CRB_BUF_INIT_WIPED(CRB_AWS_ID_MAX);
	CRB_AUTO_BUF struct crb_buf secret = CRB_BUF_INIT_WIPED(
	    CRB_AWS_SECRET_MAX);
	CRB_AUTO_BUF struct crb_buf token = CRB_BUF_INIT_WIPED(
	    CRB_AWS_TOKEN_MAX);
	CRB_AUTO_BUF struct crb_buf expiration = CRB_BUF_INIT(EXPIRATION_MAX);
	CRB_AUTO_BUF struct crb_buf packed = CRB_BUF_INIT(PACKED_MAX);
	struct crb_buf *texts[FIELDS] = { [ID] = &id,
		[SECRET] = &secret,
		[TOKEN] = &token,
		[EXPIRATION] = &expiration,
		[PACKED] = &packed };
	struct crb_sts_reply reply = { .keys = NULL };
	uint64_t percent = 0;
	enum crb_status status;

	if ((status = extract(action, text, len, texts, err)) != CRB_OK ||
	    (status = crb_sts_time(
		 crb_buf_text(&expiration), &reply.expires, err)) != CRB_OK)
		return status;
	if (packed.len > 0 &&
	    (status = crb_number_parse(crb_buf_text(&packed), packed.len, 1000,
		 &percent, err)) != CRB_OK)
		return status;
	status = crb_aws_keys_text(crb_buf_text(&id), crb_buf_text(&secret),
	    crb_buf_text(&token), &reply.keys, err);
	if (status != CRB_OK)
		return status;
	reply.packed = (unsigned)percent;
	memcpy(reply.id, crb_buf_text(&id), id.len + 1);
	*out = reply;
	return CRB_OK;
}

/* As much of it as fits, escaped; line ends are blanks. */
static void
show(const struct crb_buf *text, char *out, size_t size)
{
	CRB_AUTO_BUF struct crb_buf shown = CRB_BUF_INIT_WIPED(5 * size);
	const char *from;

	crb_text_escape(&shown, crb_buf_text(text), text->len, size);
	from = crb_buf_text(&shown);
	(void)snprintf(out, size, "%s", from);
	if (strlen(from) >= size)
		memcpy(&out[size - 4], "...", 4);
}

static bool
repeats(const struct crb_buf *text, const struct crb_aws_keys *keys)
{
	const char *here = crb_buf_text(text);

	return strstr(here, keys->secret) != NULL ||
	    (keys->token != NULL && strstr(here, keys->token) != NULL);
}

/* In what they wrap an error: the Query API, and S3's way, which is Ceph's. */
static const char *const wrappers[][3] = {
	{ "ErrorResponse/Error/Code", "ErrorResponse/Error/Message",
	    "ErrorResponse/RequestId" },
	{ "Error/Code", "Error/Message", "Error/RequestId" },
};

void
crb_sts_error_read(const char *text, size_t len,
    const struct crb_aws_keys *keys, struct crb_sts_error *out)
{
	*out = (struct crb_sts_error){ .code = "" };
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(*wrappers); i++) {
		CRB_AUTO_BUF struct crb_buf code = CRB_BUF_INIT_WIPED(
		    MESSAGE_MAX);
		CRB_AUTO_BUF struct crb_buf message = CRB_BUF_INIT_WIPED(
		    MESSAGE_MAX);
		CRB_AUTO_BUF struct crb_buf request = CRB_BUF_INIT_WIPED(
		    MESSAGE_MAX);
		struct crb_xml_field fields[] = {
			{ .path = wrappers[i][0], .text = &code },
			{ .path = wrappers[i][1], .text = &message },
			{ .path = wrappers[i][2], .text = &request },
		};
		struct crb_err err;

		if (crb_xml_extract(text, len, fields, 3, &err) != CRB_OK ||
		    !fields[0].there)
			continue;
		if (repeats(&code, keys) || repeats(&message, keys) ||
		    repeats(&request, keys))
			return;
		show(&code, out->code, sizeof(out->code));
		show(&message, out->message, sizeof(out->message));
		show(&request, out->request, sizeof(out->request));
		return;
	}
}
