#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/process.h"
#include "base/text.h"
#include "base/units.h"
#include "broker/cli/doctor.h"
#include "broker/cli/output.h"

#define SWAPS_MAX (64u << 10)
#define LEVELS_MAX 4 /* LVM on RAID on dm-crypt */
/* What each process keeps its secrets in. */
#define SLAB_BYTES (4ll << 20)
/* A credential with what its request takes, roughly. */
#define SECRET_BYTES 1400
/* Of a process, beside those of sessions. */
#define DESCRIPTORS_OWN 512
/* A clock may step back by as much without anybody having set it. */
#define CLOCK_SLACK 2

/* dm-crypt says so in its uuid; what it lies under is among its slaves. */
static bool
is_encrypted(const char *device, unsigned level)
{
	char path[512], uuid[128];
	const struct dirent *entry;
	bool found = false;
	struct crb_err err;
	DIR *slaves;

	(void)snprintf(path, sizeof(path), "%s/dm/uuid", device);
	if (crb_doctor_line(path, uuid, sizeof(uuid), &err) == CRB_OK &&
	    strncmp(uuid, "CRYPT-", 6) == 0)
		return true;
	(void)snprintf(path, sizeof(path), "%s/slaves", device);
	if (level == LEVELS_MAX || (slaves = opendir(path)) == NULL)
		return false;
	/* All of them, or the page may be on the one that is not. */
	while ((entry = readdir(slaves)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/slaves/%.200s", device,
		    entry->d_name);
		if (!(found = is_encrypted(path, level + 1)))
			break;
	}
	(void)closedir(slaves);
	return found;
}

/* A partition, or a file: then what its file system is on. */
static bool
swap_is_encrypted(const char *name)
{
	char path[96];
	struct stat st;
	dev_t device;

	if (stat(name, &st) != 0)
		return false;
	device = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	(void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u",
	    major(device), minor(device));
	return is_encrypted(path, 0);
}

static void
judge_swap(struct crb_doctor *doctor, const char *name)
{
	if (strncmp(name, "/dev/zram", 9) == 0)
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "swap %s is memory", name);
	else if (swap_is_encrypted(name))
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "swap %s is encrypted", name);
	else
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "swapoff, or encrypt it",
		    "swap %s is not encrypted: a page of a minted credential "
		    "could reach the disk",
		    name);
}

static void
check_swap(struct crb_doctor *doctor)
{
	CRB_AUTO_BUF struct crb_buf text = CRB_BUF_INIT(SWAPS_MAX);
	struct crb_slice rest, line, name;
	struct crb_err err;
	unsigned count = 0;
	char path[256];

	if (crb_io_read_file("/proc/swaps", &text, &err) != CRB_OK) {
		crb_doctor_find(doctor, CRB_FINDING_WARN, "cat /proc/swaps",
		    "whether there is swap cannot be told: %s", err.msg);
		return;
	}
	rest = CRB_SLICE(crb_buf_text(&text));
	(void)crb_slice_cut(&rest, '\n', &line); /* the head */
	while (crb_slice_cut(&rest, '\n', &line)) {
		if (line.len == 0 || !crb_slice_cut(&line, ' ', &name))
			continue;
		(void)snprintf(
		    path, sizeof(path), "%.*s", (int)name.len, name.p);
		path[strcspn(path, "\t")] = '\0';
		count++;
		judge_swap(doctor, path);
	}
	if (count == 0)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL, "no swap");
}

/* The broker's own limit, or the one that it would have; -1: none. */
static long long
limit_of(const struct crb_doctor *doctor, const char *member, int resource)
{
	const json_t *limits = json_object_get(doctor->status, "limits");
	struct rlimit limit;

	if (limits != NULL)
		return crb_member_number(limits, member);
	if (getrlimit((__rlimit_resource_t)resource, &limit) != 0 ||
	    limit.rlim_max == RLIM_INFINITY)
		return -1;
	return (long long)limit.rlim_max;
}

static void
check_memlock(struct crb_doctor *doctor)
{
	long long limit = limit_of(doctor, "locked_memory", RLIMIT_MEMLOCK);
	char text[CRB_SIZE_TEXT], slab[CRB_SIZE_TEXT];

	if (limit == -1) {
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "RLIMIT_MEMLOCK is not limited");
		return;
	}
	crb_size_text((uint64_t)limit, text);
	crb_size_text(SLAB_BYTES, slab);
	if (limit < SLAB_BYTES)
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "LimitMEMLOCK=64M in the unit, or ulimit -l",
		    "RLIMIT_MEMLOCK %s: less than the %s that a process keeps "
		    "its secrets in",
		    text, slab);
	else
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "RLIMIT_MEMLOCK %s: enough for about %lld secrets in "
		    "flight",
		    text, SLAB_BYTES / SECRET_BYTES);
}

static void
check_descriptors(struct crb_doctor *doctor)
{
	long long limit = limit_of(doctor, "descriptors", RLIMIT_NOFILE);
	long long wanted = doctor->cli->config.sessions_max;
	long long room = limit - DESCRIPTORS_OWN;

	if (limit == -1)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "descriptors are not limited");
	else if (room < wanted)
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "LimitNOFILE= in the unit, or a smaller sessions_max",
		    "%lld descriptors: enough for about %lld sessions, and "
		    "sessions_max is %lld",
		    limit, room > 0 ? room : 0, wanted);
	else
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "%lld descriptors: enough for about %lld sessions", limit,
		    room);
}

static void
check_synchronised(struct crb_doctor *doctor)
{
	struct timex clock = { .modes = 0 };
	int state = adjtimex(&clock);

	if (state == -1)
		crb_doctor_find(doctor, CRB_FINDING_WARN, NULL,
		    "whether the clock is synchronised cannot be told: %s",
		    strerrordesc_np(errno));
	else if (state == TIME_ERROR || (clock.status & STA_UNSYNC) != 0)
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "timedatectl set-ntp true",
		    "the clock is not synchronised: audit times and expiry "
		    "follow it");
	else
		crb_doctor_find(
		    doctor, CRB_FINDING_OK, NULL, "the clock is synchronised");
}

/* The newest audit file: names are numbers of one width. */
static bool
newest_audit(const char *state, char out[CRB_PATH_MAX])
{
	char folder[CRB_PATH_MAX], last[64] = "";
	const struct dirent *entry;
	struct crb_err err;
	DIR *dir;

	if (state == NULL ||
	    crb_path_join(folder, state, "audit", &err) != CRB_OK ||
	    (dir = opendir(folder)) == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (len > 6 && len < sizeof(last) &&
		    strcmp(entry->d_name + len - 6, ".jsonl") == 0 &&
		    strcmp(entry->d_name, last) > 0)
			memcpy(last, entry->d_name, len + 1);
	}
	(void)closedir(dir);
	return last[0] != '\0' &&
	    crb_path_join(out, folder, last, &err) == CRB_OK;
}

/*
 * Its last line's time; a line has 32 KiB at most, its time at its start.
 * O_NONBLOCK, or a named pipe would hold us before lseek() can tell.
 */
static bool
last_recorded(const char *path, time_t *out)
{
	static char tail[(64u << 10) + 1];
	CRB_AUTO_FD int fd = open(
	    path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	off_t size = fd != -1 ? lseek(fd, 0, SEEK_END) : -1;
	off_t from = size > (off_t)sizeof(tail) - 1
	    ? size - ((off_t)sizeof(tail) - 1)
	    : 0;
	struct tm tm = { .tm_isdst = 0 };
	const char *found = NULL, *at = tail;
	ssize_t n;

	if (size <= 0 || (n = pread(fd, tail, sizeof(tail) - 1, from)) <= 0)
		return false;
	tail[n] = '\0';
	while ((at = strstr(at, ",\"time\":\"")) != NULL)
		found = at += strlen(",\"time\":\"");
	if (found == NULL || strptime(found, "%Y-%m-%dT%H:%M:%S", &tm) == NULL)
		return false;
	*out = timegm(&tm);
	return true;
}

static void
check_clock(struct crb_doctor *doctor)
{
	char path[CRB_PATH_MAX], behind[CRB_DURATION_TEXT];
	time_t last;
	int64_t now = crb_wall_seconds();

	check_synchronised(doctor);
	if (!newest_audit(doctor->cli->config.state, path) ||
	    !last_recorded(path, &last))
		return;
	if (now + CLOCK_SLACK >= (int64_t)last)
		return;
	crb_duration_text((int64_t)last - now, behind);
	crb_doctor_find(doctor, CRB_FINDING_FAIL,
	    "set the clock: sessions that have expired live on meanwhile",
	    "the clock is %s behind the audit log's last line", behind);
}

static void
check_users(struct crb_doctor *doctor)
{
	static const struct {
		const char *key, *name;
	} users[] = {
		{ "core_user", "credbroker" },
		{ "gateway_user", "credbroker-gateway" },
		{ "egress_user", "credbroker-egress" },
	};
	unsigned missing = 0;

	if (geteuid() != 0)
		return;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		const char *name = crb_member(
		    doctor->cli->config.json, users[i].key);

		if (name == NULL)
			name = users[i].name;
		/* A number needs no entry. */
		if (strspn(name, "0123456789") == strlen(name) ||
		    getpwnam(name) != NULL)
			continue;
		missing++;
		crb_doctor_find(doctor, CRB_FINDING_WARN,
		    "systemd-sysusers, or: useradd --system, and restart",
		    "there is no user %s: that process keeps running as root",
		    name);
	}
	if (missing == 0)
		crb_doctor_find(doctor, CRB_FINDING_OK, NULL,
		    "the processes have users of their own");
}

const struct crb_check crb_checks_host[] = {
	{ "swap", check_swap },
	{ "memlock", check_memlock },
	{ "descriptors", check_descriptors },
	{ "clock", check_clock },
	{ "users", check_users },
	{ NULL, NULL },
};
