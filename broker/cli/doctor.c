#include "broker/cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "broker/cli/output.h"

#define FILE_MAX (64u << 10)

void
crb_doctor_find(struct crb_doctor *doctor, enum crb_finding finding,
    const char *remedy, const char *fmt, ...)
{
	static const char *const names[] = { "ok", "warn", "fail" };
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	doctor->count[finding]++;
	(void)json_array_append_new(doctor->findings,
	    json_pack("{s:s, s:s, s:o, s:o*}", "check", doctor->check, "level",
		names[finding], "text", crb_output_string(text), "remedy",
		remedy != NULL ? crb_output_string(remedy) : NULL));
}

enum crb_status
crb_doctor_line(const char *path, char *out, size_t cap, struct crb_err *err)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(FILE_MAX);
	const char *all;

	if (crb_io_read_file(path, &text, err) != CRB_OK)
		return err->status;
	all = crb_buf_text(&text);
	(void)snprintf(out, cap, "%.*s", (int)strcspn(all, "\n"), all);
	return CRB_OK;
}

bool
crb_doctor_number(const char *path, long long *out)
{
	char line[64];
	struct crb_err err;

	return crb_doctor_line(path, line, sizeof(line), &err) == CRB_OK &&
	    sscanf(line, "%lld", out) == 1;
}

uid_t
crb_doctor_owner(const struct crb_doctor *doctor)
{
	struct stat st;

	if (doctor->cli->config.state == NULL ||
	    stat(doctor->cli->config.state, &st) != 0)
		return geteuid();
	return st.st_uid;
}

bool
crb_doctor_is_ours(const struct crb_doctor *doctor, uid_t uid)
{
	return uid == 0 || uid == geteuid() || uid == crb_doctor_owner(doctor);
}
