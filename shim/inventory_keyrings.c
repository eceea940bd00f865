#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim/cleanup.h"
#include "shim/inventory.h"
#include "shim/lines.h"

/* How deep keyrings are followed, and how many keys of one are looked at. */
#define DEPTH_MAX 4
#define KEYS_MAX 256
#define DESCRIPTION_MAX 512

/* linux/keyctl.h, which musl does not bring along. */
enum { KEYCTL_DESCRIBE = 6, KEYCTL_READ = 11 };

static long
keyctl(int operation, int key, void *buffer, size_t len)
{
	return syscall(SYS_keyctl, operation, key, buffer, len, 0);
}

/* What programs may read: "logon" keys stay in the kernel. */
static bool
is_secret(const char *type)
{
	static const char types[][12] = { "user", "big_key", "encrypted",
		"trusted", "rxrpc", "ceph" };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (strcmp(types[i], type) == 0)
			return true;
	}
	return false;
}

static void look_into(
    struct crb_inventory *inventory, int ring, unsigned depth);

/*
 * KEYCTL_DESCRIBE says "type;uid;gid;perm;description".  KEYCTL_READ without
 * a buffer gives the length alone: whether it may be read, not what it is.
 */
static void
look_at(struct crb_inventory *inventory, int key, unsigned depth)
{
	char text[DESCRIPTION_MAX], *name;
	long len = keyctl(KEYCTL_DESCRIBE, key, text, sizeof(text) - 1);

	if (len <= 0)
		return;
	text[(size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1] =
	    '\0';
	name = text;
	for (int field = 0; field < 4 && name != NULL; field++) {
		name = strchr(name, ';');
		if (name != NULL)
			*name++ = '\0';
	}
	if (name == NULL)
		return;
	if (strcmp(text, "keyring") == 0)
		look_into(inventory, key, depth + 1);
	else if (is_secret(text) && keyctl(KEYCTL_READ, key, NULL, 0) > 0)
		crb_findings_add(&inventory->findings, CRB_KIND_KEYRING,
		    CRB_SEVERITY_HIGH, name, NULL,
		    "a key in a kernel keyring, of type %s", text);
}

static void
look_into(struct crb_inventory *inventory, int ring, unsigned depth)
{
	int keys[KEYS_MAX];
	long len;

	if (depth > DEPTH_MAX)
		return;
	len = keyctl(KEYCTL_READ, ring, keys, sizeof(keys));
	if (len > (long)sizeof(keys))
		len = sizeof(keys);
	for (long i = 0; i < len / (long)sizeof(*keys); i++)
		look_at(inventory, keys[i], depth);
}

/* proc_keys(5): each line begins with the key's number in hexadecimal. */
static bool
look_at_line(void *ctx, char *line)
{
	look_at(ctx, (int)crb_lines_number(line, 16, NULL), 0);
	return true;
}

void
crb_inventory_keyrings(struct crb_inventory *inventory)
{
	/* Of the thread, process, session, user, and the user's session. */
	CRB_AUTO_FD int list = open("/proc/keys", O_RDONLY | O_CLOEXEC);
	static const int rings[] = { -1, -2, -3, -4, -5 };

	if (inventory->view.foreign) {
		crb_findings_note(&inventory->findings,
		    "keyrings were not looked at: they belong to whoever asks, "
		    "so run this inside");
		return;
	}
	for (size_t i = 0; i < sizeof(rings) / sizeof(*rings); i++)
		look_into(inventory, rings[i], 0);
	crb_lines_each(list, look_at_line, inventory);
}
