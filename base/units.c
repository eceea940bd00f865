#include "base/units.h"

#include <stdbool.h>

#include <stdio.h>
#include <string.h>

#define DURATION_MAX (INT64_C(10) * 365 * 86400)

static const struct {
	char letter;
	int64_t seconds;
} durations[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };

#define DURATIONS (sizeof(durations) / sizeof(durations[0]))

static const struct {
	const char *name;
	unsigned shift;
} sizes[] = { { "", 0 }, { "KiB", 10 }, { "MiB", 20 }, { "GiB", 30 },
	{ "TiB", 40 } };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static size_t
digits(const char *text)
{
	return strspn(text, "0123456789");
}

enum crb_status
crb_number_parse(const char *text, size_t len, uint64_t max, uint64_t *number,
    struct crb_err *err)
{
	uint64_t value = 0, digit;

	if (len == 0)
		return crb_err_set(err, CRB_ERR_INVALID, "not a number");
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return crb_err_set(
			    err, CRB_ERR_INVALID, "not a number");
		digit = (uint64_t)(text[i] - '0');
		if (digit > max || value > (max - digit) / 10)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a number over %llu", (unsigned long long)max);
		value = value * 10 + digit;
	}
	*number = value;
	return CRB_OK;
}

enum crb_status
crb_duration_parse(const char *text, int64_t *seconds, struct crb_err *err)
{
	int64_t total = 0;
	uint64_t count;
	size_t len, unit = 0;
	struct crb_err why;

	do {
		len = digits(text);
		if (crb_number_parse(text, len, DURATION_MAX, &count, &why) !=
		    CRB_OK)
			break;
		while (unit < DURATIONS && durations[unit].letter != text[len])
			unit++;
		if (unit == DURATIONS ||
		    (int64_t)count >
			(DURATION_MAX - total) / durations[unit].seconds)
			break;
		total += (int64_t)count * durations[unit].seconds;
		unit++;
		text += len + 1;
		if (*text == '\0') {
			*seconds = total;
			return CRB_OK;
		}
	} while (true);
	return crb_err_set(err, CRB_ERR_INVALID,
	    "not a duration such as 90s, 30m, 8h or 1h30m, up to 10 years");
}

void
crb_duration_text(int64_t seconds, char out[CRB_DURATION_TEXT])
{
	size_t unit = 0;
	int len;

	if (seconds <= 0) {
		memcpy(out, "0s", sizeof("0s"));
		return;
	}
	while (seconds < durations[unit].seconds)
		unit++;
	len = snprintf(out, CRB_DURATION_TEXT, "%lld%c",
	    (long long)(seconds / durations[unit].seconds),
	    durations[unit].letter);
	seconds %= durations[unit].seconds;
	if (++unit == DURATIONS || seconds < durations[unit].seconds)
		return;
	(void)snprintf(out + len, CRB_DURATION_TEXT - (size_t)len, "%lld%c",
	    (long long)(seconds / durations[unit].seconds),
	    durations[unit].letter);
}

enum crb_status
crb_size_parse(const char *text, uint64_t *bytes, struct crb_err *err)
{
	size_t len = digits(text);
	uint64_t count;

	for (size_t i = 0; i < SIZES; i++) {
		if (strcmp(text + len, sizes[i].name) != 0)
			continue;
		if (crb_number_parse(text, len, UINT64_MAX >> sizes[i].shift,
			&count, err) != CRB_OK)
			break;
		*bytes = count << sizes[i].shift;
		return CRB_OK;
	}
	return crb_err_set(err, CRB_ERR_INVALID,
	    "not a size such as 4096, 64KiB, 10MiB or 2GiB");
}

void
crb_size_text(uint64_t bytes, char out[CRB_SIZE_TEXT])
{
	static const char *const names[] = { "KiB", "MiB", "GiB", "TiB", "PiB",
		"EiB" };
	double value = (double)bytes / 1024;
	size_t unit = 0;

	if (bytes < 1024) {
		(void)snprintf(out, CRB_SIZE_TEXT, "%u B", (unsigned)bytes);
		return;
	}
	/* What would be rounded to 1024.0 is shown in the next unit. */
	while (value >= 1023.95) {
		value /= 1024;
		unit++;
	}
	(void)snprintf(out, CRB_SIZE_TEXT, "%.1f %s", value, names[unit]);
}
