#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/units.h"
#include "broker/cli/doctor.h"

/* Below this nothing may be recorded soon, and so nothing be done. */
#define DISK_LEAST (64ull << 20)
#define DISK_FEW (1ull << 30)
#define CA_MAX (64u << 10)

static bool
is_set(const char *path)
{
	return path != NULL && path[0] != '\0';
}

/* What every folder of ours and every file in it is held against. */
struct rule {
	const char *what;
	mode_t kind;      /* S_IFDIR, S_IFREG, S_IFSOCK */
	mode_t forbidden; /* bits of the mode */
};

/*
 * For a shell, whatever the name: somebody will copy the line.  No backslash,
 * which would be doubled where it is shown.
 */
static void
add_quoted(struct crb_buf *out, const char *path)
{
	crb_buf_char(out, '\'');
	for (; *path != '\0'; path++) {
		if (*path == '\'')
			crb_buf_str(out, "'\"'\"'");
		else
			crb_buf_char(out, *path);
	}
	crb_buf_char(out, '\'');
}

static unsigned
judge(struct crb_doctor *doctor, const struct rule *rule, const char *path,
    const struct stat *st)
{
	CRB_AUTO_BUF struct crb_buf remedy = CRB_BUF_INIT(
	    5 * CRB_PATH_MAX + 64);

	if ((st->st_mode & S_IFMT) != rule->kind) {
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "find out who put it there", "%s %s is something else",
		    rule->what, path);
		return 1;
	}
	if (!crb_doctor_is_ours(doctor, st->st_uid)) {
		/* Not what it may be a link to by then. */
		crb_buf_printf(&remedy, "chown -h %u ",
		    (unsigned)crb_doctor_owner(doctor));
		add_quoted(&remedy, path);
		crb_doctor_find(doctor, CRB_FINDING_FAIL, crb_buf_text(&remedy),
		    "%s %s belongs to uid %u", rule->what, path,
		    (unsigned)st->st_uid);
		return 1;
	}
	if ((st->st_mode & rule->forbidden) == 0)
		return 0;
	crb_buf_printf(&remedy, "chmod %03o ",
	    (unsigned)(st->st_mode & 0777 & ~rule->forbidden));
	add_quoted(&remedy, path);
	crb_doctor_find(doctor, CRB_FINDING_FAIL, crb_buf_text(&remedy),
	    "%s %s is open to others (mode %03o)", rule->what, path,
	    (unsigned)(st->st_mode & 0777));
	return 1;
}

/* How many of its problems were found; *seen counts what was looked at. */
static unsigned
look(struct crb_doctor *doctor, const struct rule *rule, const char *folder,
    const char *name, unsigned *seen)
{
	char path[CRB_PATH_MAX];
	struct crb_err err;
	struct stat st;

	if (crb_path_join(path, folder, name, &err) != CRB_OK)
		return 0;
	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "run doctor as the broker's user",
		    "%s cannot be looked at: %s", path, strerrordesc_np(errno));
		return 1;
	}
	(*seen)++;
	return judge(doctor, rule, path, &st);
}

static unsigned
look_at_audit(struct crb_doctor *doctor, const char *state, unsigned *seen)
{
	static const struct rule file = { "audit file", S_IFREG, 0077 };
	/* It is for whoever checks the log. */
	static const struct rule key = { "audit key", S_IFREG, 0022 };
	char folder[CRB_PATH_MAX];
	const struct dirent *entry;
	unsigned problems = 0;
	struct crb_err err;
	DIR *dir;

	if (crb_path_join(folder, state, "audit", &err) != CRB_OK ||
	    (dir = opendir(folder)) == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.')
			problems += look(doctor,
			    strcmp(entry->d_name, "public-key") == 0 ? &key
								     : &file,
			    folder, entry->d_name, seen);
	(void)closedir(dir);
	return problems;
}

static void
check_state(struct crb_doctor *doctor)
{
	static const struct {
		const char *name;
		struct rule rule;
	} content[] = {
		{ "", { "state folder", S_IFDIR, 0077 } },
		{ "vault", { "vault", S_IFREG, 0077 } },
		{ "store.db", { "store", S_IFREG, 0077 } },
		{ "store.db-wal", { "store", S_IFREG, 0077 } },
		{ "generation", { "generation", S_IFREG, 0077 } },
		{ "audit", { "audit folder", S_IFDIR, 0077 } },
	};
	const char *state = doctor->cli->config.state;
	unsigned problems = 0, seen = 0;
	struct crb_err err;

	if (!is_set(state) || access(state, F_OK) != 0) {
		crb_doctor_find(doctor, CRB_FINDING_WARN, "credbroker init",
		    "there is no vault yet");
		return;
	}
	if (crb_path_secure(state, crb_doctor_owner(doctor), &err) != CRB_OK) {
		problems++;
		crb_doctor_find(doctor, CRB_FINDING_FAIL, NULL, "%s", err.msg);
	}
	for (size_t i = 0; i < sizeof(content) / sizeof(content[0]); i++)
		problems += look(
		    doctor, &content[i].rule, state, content[i].name, &seen);
	problems += look_at_audit(doctor, state, &seen);
	if (problems == 0)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "state %s: %u files and folders, none open to others",
		    state, seen);
}

/* Those of root's sessions may be anybody's. */
static unsigned
look_at_sessions(struct crb_doctor *doctor, const char *runtime, unsigned *seen)
{
	static const struct rule session = { "session's folder", S_IFDIR,
		0077 };
	char folder[CRB_PATH_MAX], path[CRB_PATH_MAX];
	const struct dirent *entry;
	unsigned problems = 0;
	struct crb_err err;
	struct stat st;
	DIR *dir;

	if (crb_path_join(folder, runtime, "sessions", &err) != CRB_OK ||
	    (dir = opendir(folder)) == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.' ||
		    crb_path_join(path, folder, entry->d_name, &err) !=
			CRB_OK ||
		    lstat(path, &st) != 0)
			continue;
		(*seen)++;
		if (geteuid() == 0 && S_ISDIR(st.st_mode))
			st.st_uid = 0;
		problems += judge(doctor, &session, path, &st);
	}
	(void)closedir(dir);
	return problems;
}

static void
check_runtime(struct crb_doctor *doctor)
{
	/* Root's may be walked through, to the sessions of other users. */
	mode_t others = geteuid() == 0 ? 0066 : 0077;
	const struct {
		const char *name;
		struct rule rule;
	} content[] = {
		{ "", { "runtime folder", S_IFDIR, others } },
		{ "sessions", { "sessions' folder", S_IFDIR, others } },
		{ "admin.sock", { "admin socket", S_IFSOCK, 0 } },
	};
	const char *runtime = doctor->cli->config.runtime;
	unsigned problems = 0, seen = 0;
	struct crb_err err;

	if (!is_set(runtime)) {
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "set XDG_RUNTIME_DIR, or runtime in the configuration",
		    "where the runtime folder is cannot be told");
		return;
	}
	if (strlen(runtime) + strlen("/admin.sock") >=
	    sizeof(((struct sockaddr_un *)0)->sun_path)) {
		problems++;
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "set runtime in the configuration",
		    "runtime folder %s is too long for a socket", runtime);
	}
	if (access(runtime, F_OK) != 0) {
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "runtime %s is made by the broker's start", runtime);
		return;
	}
	if (crb_path_secure(runtime, geteuid(), &err) != CRB_OK) {
		problems++;
		crb_doctor_find(doctor, CRB_FINDING_FAIL, NULL, "%s", err.msg);
	}
	for (size_t i = 0; i < sizeof(content) / sizeof(content[0]); i++)
		problems += look(
		    doctor, &content[i].rule, runtime, content[i].name, &seen);
	problems += look_at_sessions(doctor, runtime, &seen);
	if (problems == 0)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "runtime %s: %u folders and sockets, none open to others",
		    runtime, seen);
}

/* Whoever gets one backup must not get both. */
static bool
lies_in(const char *path, const char *folder)
{
	size_t len = strlen(folder);

	return strncmp(path, folder, len) == 0 && path[len] == '/';
}

static void
check_key_file(struct crb_doctor *doctor)
{
	const struct crb_config *config = &doctor->cli->config;
	struct crb_err err;

	if (!is_set(config->key_file))
		return;
	if (crb_path_private(
		config->key_file, crb_doctor_owner(doctor), &err) != CRB_OK)
		crb_doctor_find(
		    doctor, CRB_FINDING_FAIL, NULL, "key file: %s", err.msg);
	else if (lies_in(config->key_file, config->state))
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "move it to where no backup of the state folder goes",
		    "the key file lies in the state folder: who has the one "
		    "has the other");
	else
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "key file %s is its owner's alone", config->key_file);
}

static void
check_ca_file(struct crb_doctor *doctor)
{
	CRB_AUTO_BUF struct crb_buf pem = CRB_BUF_INIT(CA_MAX);
	const char *path = doctor->cli->config.ca_file;
	struct crb_err err;

	if (!is_set(path))
		return;
	if (crb_io_read_file(path, &pem, &err) != CRB_OK)
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "put certificates there, or take ca_file away",
		    "ca_file: %s", err.msg);
	else if (strstr(crb_buf_text(&pem), "-----BEGIN CERTIFICATE-----") ==
	    NULL)
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "put PEM certificates there",
		    "ca_file %s holds no certificate", path);
	else
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "ca_file %s", path);
}

static void
check_disk(struct crb_doctor *doctor)
{
	const char *state = doctor->cli->config.state;
	unsigned long long left;
	char text[CRB_SIZE_TEXT];
	struct statvfs fs;

	if (!is_set(state) || statvfs(state, &fs) != 0)
		return;
	left = (unsigned long long)fs.f_bavail * fs.f_frsize;
	crb_size_text(left, text);
	if (left < DISK_LEAST || (fs.f_files > 0 && fs.f_favail < 64))
		crb_doctor_find(doctor, CRB_FINDING_FAIL,
		    "make room: what cannot be recorded is refused",
		    "the state folder's disk is full: %s, %llu files left",
		    text, (unsigned long long)fs.f_favail);
	else if (left < DISK_FEW)
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "make room, or move old audit files away",
		    "%s left on the state folder's disk", text);
	else
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "%s left on the state folder's disk", text);
}

const struct crb_check crb_checks_paths[] = {
	{ "state", check_state },
	{ "runtime", check_runtime },
	{ "key_file", check_key_file },
	{ "ca_file", check_ca_file },
	{ "disk", check_disk },
	{ NULL, NULL },
};
