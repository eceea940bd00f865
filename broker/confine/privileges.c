#include "broker/confine/privileges.h"

#include <grp.h>
#include <linux/capability.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORDS _LINUX_CAPABILITY_U32S_3

_Static_assert(CAP_SYS_ADMIN < 32, "it is in the first word");
#define MOUNT_BIT (1u << CAP_SYS_ADMIN)

static struct __user_cap_header_struct
header(void)
{
	return (struct __user_cap_header_struct){
		.version = _LINUX_CAPABILITY_VERSION_3
	};
}

bool
crb_privileges_mount(void)
{
	struct __user_cap_data_struct data[WORDS] = { 0 };
	struct __user_cap_header_struct self = header();

	return syscall(SYS_capget, &self, data) == 0 &&
	    (data[0].effective & MOUNT_BIT) != 0;
}

enum crb_status
crb_privileges_keep(bool mount, struct crb_err *err)
{
	struct __user_cap_data_struct data[WORDS] = { 0 };
	struct __user_cap_header_struct self = header();

	if (mount)
		data[0].effective = data[0].permitted = data[0].inheritable =
		    MOUNT_BIT;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0 ||
	    syscall(SYS_capset, &self, data) != 0)
		return crb_err_errno(err, "giving up capabilities");
	if (mount &&
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0) !=
		0)
		return crb_err_errno(err, "keeping a capability");
	return CRB_OK;
}

enum crb_status
crb_privileges_become(uid_t uid, gid_t gid, struct crb_err *err)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 ||
	    setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(uid, uid, uid) != 0)
		return crb_err_errno(
		    err, "becoming uid %u, gid %u", (unsigned)uid, gid);
	return CRB_OK;
}
