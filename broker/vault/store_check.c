#include "broker/vault/store_check.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/path.h"
#include "broker/vault/file_start.h"

/* https://www.sqlite.org/fileformat2.html, section 1.3; big-endian. */
enum {
	PAGE_SIZE_AT = 16,
	WRITE_VERSION_AT = 18,
	READ_VERSION_AT = 19,
	PAGES_AT = 28,
	USER_VERSION_AT = 60,
	APPLICATION_AT = 68,
	HEADER_BYTES = 100,
	WAL_MODE = 2,
};

static const char magic[16] = "SQLite format 3";

static uint32_t
get_u32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	    (uint32_t)p[2] << 8 | p[3];
}

static enum crb_status
beside(const char *path, const char *suffix, struct stat *st, bool *there,
    struct crb_err *err)
{
	char name[CRB_PATH_MAX];
	const int n = snprintf(name, sizeof(name), "%s%s", path, suffix);

	if (n < 0 || (size_t)n >= sizeof(name))
		return crb_err_set(err, CRB_ERR_TOO_LARGE, "the path is long");
	*there = lstat(name, st) == 0;
	if (!*there && errno != ENOENT)
		return crb_err_errno(err, "%s", name);
	if (*there && !S_ISREG(st->st_mode))
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "its %s is not a regular file", suffix);
	return CRB_OK;
}

static enum crb_status
read_header(const char *path, uint8_t head[HEADER_BYTES], off_t *size,
    struct crb_err *err)
{
	size_t len = 0;

	if (crb_file_start(path, head, HEADER_BYTES, &len, size, err) != CRB_OK)
		return err->status;
	if (len < HEADER_BYTES)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "truncated: only %zu bytes are left", len);
	return CRB_OK;
}

static enum crb_status
check_header(const uint8_t head[HEADER_BYTES], struct crb_err *err)
{
	const uint32_t format = get_u32(head + USER_VERSION_AT);

	if (memcmp(head, magic, sizeof(magic)) != 0)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "this is not a database");
	if (get_u32(head + APPLICATION_AT) != CRB_STORE_APPLICATION)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "this database is not credbroker's");
	if (format != CRB_STORE_FORMAT)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "written by format %u; this program reads %u", format,
		    CRB_STORE_FORMAT);
	if (head[WRITE_VERSION_AT] != WAL_MODE ||
	    head[READ_VERSION_AT] != WAL_MODE ||
	    (head[PAGE_SIZE_AT] << 8 | head[PAGE_SIZE_AT + 1]) !=
		CRB_STORE_PAGE)
		return crb_err_set(
		    err, CRB_ERR_CORRUPT, "edited: its header does not fit");
	return CRB_OK;
}

/* With a log beside it the file may rightly be behind: then SQLite judges. */
static enum crb_status
check_size(const uint8_t head[HEADER_BYTES], off_t size, struct crb_err *err)
{
	const off_t want = (off_t)get_u32(head + PAGES_AT) * CRB_STORE_PAGE;

	if (size < want)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "truncated: %lld of %lld bytes are left", (long long)size,
		    (long long)want);
	if (size > want)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "edited: %lld bytes where %lld belong", (long long)size,
		    (long long)want);
	return CRB_OK;
}

enum crb_status
crb_store_check_file(const char *path, bool *has_log, struct crb_err *err)
{
	uint8_t head[HEADER_BYTES];
	enum crb_status status;
	struct stat st;
	bool there;
	off_t size;

	if ((status = read_header(path, head, &size, err)) != CRB_OK ||
	    (status = check_header(head, err)) != CRB_OK ||
	    (status = beside(path, "-journal", &st, &there, err)) != CRB_OK)
		return status;
	if (there)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "there is a %s-journal, which credbroker never writes: "
		    "move it away",
		    path);
	if ((status = beside(path, "-wal", &st, &there, err)) != CRB_OK)
		return status;
	*has_log = there && st.st_size > 0;
	return *has_log ? CRB_OK : check_size(head, size, err);
}
