#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "broker/core/audit_impl.h"

#define WINDOW ((off_t)1 << 20)
#define NEEDLE_MAX 1024u

/*
 * A filter as text: a line that fits contains every needle, so most lines are
 * passed over without parsing them.
 */
struct search {
	const struct crb_audit_filter *filter;
	struct needle {
		const char *key, *want;
		struct crb_buf text;
	} needle[5];
	char since[CRB_TIME_TEXT];
	json_t *found;
	size_t most;
};

static enum crb_status
make_needles(struct search *search, struct crb_err *err)
{
	const struct crb_audit_filter *filter = search->filter;
	const struct needle needles[] = {
		{ "event", filter->event, CRB_BUF_INIT(NEEDLE_MAX) },
		{ "session", filter->session, CRB_BUF_INIT(NEEDLE_MAX) },
		{ "task", filter->task, CRB_BUF_INIT(NEEDLE_MAX) },
		{ "credential", filter->credential, CRB_BUF_INIT(NEEDLE_MAX) },
		{ "decision", filter->decision, CRB_BUF_INIT(NEEDLE_MAX) },
	};

	for (size_t i = 0; i < 5; i++) {
		struct needle *needle = &search->needle[i];

		*needle = needles[i];
		if (needle->want == NULL)
			continue;
		crb_buf_printf(&needle->text, "\"%s\":", needle->key);
		crb_audit_line_text(&needle->text, needle->want, NEEDLE_MAX);
		if (crb_buf_check(&needle->text, "a filter", err) != CRB_OK)
			return err->status;
	}
	if (filter->since != 0)
		crb_text_time(filter->since, search->since);
	return CRB_OK;
}

static bool
may_fit(const struct search *search, const char *line, size_t len)
{
	if (search->filter->event == NULL &&
	    memmem(line, len, "\"event\":\"checkpoint\"", 20) != NULL)
		return false;
	for (size_t i = 0; i < 5; i++) {
		const struct crb_buf *text = &search->needle[i].text;

		if (text->len > 0 &&
		    memmem(line, len, text->data, text->len) == NULL)
			return false;
	}
	return true;
}

/* Text inside another field cannot fool this: it was escaped. */
static bool
fits(const struct search *search, const json_t *line)
{
	const struct crb_audit_filter *filter = search->filter;
	const char *text;

	if (json_integer_value(json_object_get(line, "n")) <=
	    (json_int_t)filter->after)
		return false;
	for (size_t i = 0; i < 5; i++) {
		const struct needle *needle = &search->needle[i];

		if (needle->want == NULL)
			continue;
		text = json_string_value(json_object_get(line, needle->key));
		if (text == NULL || strcmp(text, needle->want) != 0)
			return false;
	}
	text = json_string_value(json_object_get(line, "time"));
	return filter->since == 0 ||
	    (text != NULL && strncmp(text, search->since, 19) >= 0);
}

static enum crb_status
try_line(void *ctx, const char *line, size_t len, struct crb_err *err)
{
	struct search *search = ctx;
	CRB_AUTO_JSON json_t *json = NULL;
	enum crb_status status;

	if (!search->filter->newest &&
	    json_array_size(search->found) >= search->most)
		return CRB_OK;
	if (!may_fit(search, line, len))
		return CRB_OK;
	status = crb_json_parse(line, len, "audit", &json, err);
	if (status != CRB_OK || !fits(search, json))
		return status;
	(void)json_object_del(json, "prev");
	(void)json_object_del(json, "hash");
	(void)json_object_del(json, "signature");
	if (json_array_append(search->found, json) != 0)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for audit lines");
	if (search->filter->newest &&
	    json_array_size(search->found) > search->most)
		(void)json_array_remove(search->found, 0);
	return CRB_OK;
}

/* To the end of a line that `from` is in the middle of. */
static enum crb_status
align(int fd, off_t *from, struct crb_err *err)
{
	char bytes[CRB_AUDIT_LINE_MAX];
	const char *end;
	ssize_t n;

	if (*from == 0)
		return CRB_OK;
	if ((n = pread(fd, bytes, sizeof(bytes), *from - 1)) == -1)
		return crb_err_errno(err, "audit: cannot be read");
	end = n == 0 ? NULL : memchr(bytes, '\n', (size_t)n);
	if (end != NULL)
		*from += end - bytes;
	return CRB_OK;
}

/* From the file's end, in windows that grow until enough is found. */
static enum crb_status
search_back(struct search *search, int fd, off_t size, struct crb_err *err)
{
	off_t torn, window = WINDOW;
	enum crb_status status;

	for (;;) {
		off_t from = size > window ? size - window : 0;

		(void)json_array_clear(search->found);
		if ((status = align(fd, &from, err)) != CRB_OK)
			return status;
		status = crb_audit_lines(
		    fd, from, size, try_line, search, &torn, err);
		if (status != CRB_OK || from == 0 ||
		    json_array_size(search->found) >= search->most)
			return status;
		window *= 8;
	}
}

static enum crb_status
search_file(struct search *search, const char *folder, unsigned number,
    struct crb_err *err)
{
	char name[CRB_AUDIT_NAME_MAX], path[CRB_PATH_MAX];
	CRB_AUTO_FD int fd = -1;
	enum crb_status status;
	struct stat st;
	off_t torn;

	crb_audit_file_name(number, name);
	if ((status = crb_path_join(path, folder, name, err)) != CRB_OK)
		return status;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 || fstat(fd, &st) == -1)
		return crb_err_errno(err, "%s", path);
	if (search->filter->newest)
		return search_back(search, fd, st.st_size, err);
	return crb_audit_lines(fd, 0, st.st_size, try_line, search, &torn, err);
}

/* Newest files first, each one's lines put before those found already. */
static enum crb_status
search_newest(struct search *search, const char *folder,
    const struct crb_audit_files *files, struct crb_err *err)
{
	CRB_AUTO_JSON json_t *all = json_array();
	enum crb_status status;

	for (size_t i = files->count; i > 0 && search->most > 0; i--) {
		(void)json_array_clear(search->found);
		status = search_file(search, folder, files->number[i - 1], err);
		if (status != CRB_OK)
			return status;
		search->most -= json_array_size(search->found);
		if (json_array_extend(search->found, all) != 0 ||
		    json_array_clear(all) != 0 ||
		    json_array_extend(all, search->found) != 0)
			return crb_err_set(
			    err, CRB_ERR_NOMEM, "no memory for audit lines");
	}
	(void)json_array_clear(search->found);
	return json_array_extend(search->found, all) == 0
	    ? CRB_OK
	    : crb_err_set(err, CRB_ERR_NOMEM, "no memory for audit lines");
}

/* The number of a file's first line; 0 when it has none. */
static uint64_t
first_of(const char *folder, unsigned number)
{
	static const char lead[] = "{\"n\":";
	char name[CRB_AUDIT_NAME_MAX], path[CRB_PATH_MAX];
	char bytes[64] = { 0 };
	CRB_AUTO_FD int fd = -1;
	struct crb_err ignored;

	crb_audit_file_name(number, name);
	if (crb_path_join(path, folder, name, &ignored) != CRB_OK)
		return 0;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd == -1 || pread(fd, bytes, sizeof(bytes) - 1, 0) <= 0 ||
	    strncmp(bytes, lead, sizeof(lead) - 1) != 0)
		return 0;
	return strtoull(bytes + sizeof(lead) - 1, NULL, 10);
}

/* The newest file that begins at or before what is wanted first. */
static size_t
start_file(const struct search *search, const char *folder,
    const struct crb_audit_files *files)
{
	size_t i = files->count;
	uint64_t first;

	if (search->filter->after == 0)
		return 0;
	while (i-- > 1) {
		first = first_of(folder, files->number[i]);
		if (first != 0 && first <= search->filter->after + 1)
			return i;
	}
	return 0;
}

static enum crb_status
run(struct search *search, const char *folder, struct crb_err *err)
{
	CRB_AUTO_AUDIT_FILES struct crb_audit_files files = { 0 };
	enum crb_status status;

	if ((status = make_needles(search, err)) != CRB_OK ||
	    (status = crb_audit_files_list(folder, &files, err)) != CRB_OK)
		return status;
	if (search->filter->newest)
		return search_newest(search, folder, &files, err);
	for (size_t i = start_file(search, folder, &files); i < files.count &&
	     status == CRB_OK && json_array_size(search->found) < search->most;
	     i++)
		status = search_file(search, folder, files.number[i], err);
	return status;
}

enum crb_status
crb_audit_read(const struct crb_audit *audit,
    const struct crb_audit_filter *filter, json_t **out, struct crb_err *err)
{
	struct search search = {
		.filter = filter,
		.found = json_array(),
		.most = filter->most,
	};
	enum crb_status status;

	status = search.found == NULL
	    ? crb_err_set(err, CRB_ERR_NOMEM, "no memory for audit lines")
	    : run(&search, audit->folder, err);
	for (size_t i = 0; i < 5; i++)
		crb_buf_clear(&search.needle[i].text);
	if (status == CRB_OK)
		*out = search.found;
	else
		json_decref(search.found);
	return status;
}
