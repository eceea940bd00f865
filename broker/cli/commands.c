#include "broker/cli/command.h"

extern const struct crb_command crb_command_init, crb_command_serve,
    crb_command_unlock, crb_command_lock, crb_command_status,
    crb_command_credential_add, crb_command_credential_set,
    crb_command_credential_list, crb_command_credential_show,
    crb_command_credential_remove, crb_command_backend_list,
    crb_command_backend_show, crb_command_profile_add, crb_command_profile_list,
    crb_command_profile_show, crb_command_profile_remove, crb_command_issue,
    crb_command_run, crb_command_session_list, crb_command_session_show,
    crb_command_session_grant, crb_command_session_drop,
    crb_command_session_extend, crb_command_revoke, crb_command_audit_show,
    crb_command_audit_verify;

const struct crb_command *const crb_commands[] = {
extern const struct crb_command crb_command_credential_test;

const struct crb_command *const crb_commands[] = {
	&crb_command_init,
	&crb_command_serve,
	&crb_command_unlock,
	&crb_command_lock,
	&crb_command_status,
	&crb_command_credential_add,
	&crb_command_credential_import,
	&crb_command_credential_set,
	&crb_command_credential_list,
	&crb_command_credential_show,
	&crb_command_credential_remove,
	&crb_command_credential_test,
	&crb_command_backend_list,
	&crb_command_backend_show,
	&crb_command_profile_add,
	&crb_command_profile_list,
	&crb_command_profile_show,
	&crb_command_profile_remove,
	&crb_command_run,
	&crb_command_issue,
	&crb_command_session_list,
	&crb_command_session_show,
	&crb_command_session_grant,
	&crb_command_session_drop,
	&crb_command_session_extend,
	&crb_command_revoke,
	&crb_command_audit_show,
	&crb_command_audit_verify,
	NULL,
};
