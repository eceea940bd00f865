#include "broker/core/reload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/process.h"
#include "base/text.h"
#include "broker/core/policies.h"

/* What was read, while its record is being committed. */
struct reading {
	struct crb_core *core;
	struct crb_config config;
	char *ca;
	json_t *restart;
};

#define AUTO_READING __attribute__((cleanup(reading_cleanup)))
static void
reading_cleanup(struct reading **reading)
{
	if (*reading == NULL)
		return;
	crb_config_clear(&(*reading)->config);
	json_decref((*reading)->restart);
	free((*reading)->ca);
	free(*reading);
}

static void
answer(void *ctx, const struct crb_err *why)
{
	struct crb_core *core = ctx;
	const struct crb_msg_reloaded reloaded = {
		.ok = core->reload.problem[0] == '\0' && why == NULL,
	};
	struct crb_err err;

	/* The supervisor is gone, then, and we will be. */
	if (crb_link_send(&core->supervisor, CRB_MSG_RELOADED, &reloaded, -1,
		&err) != CRB_OK)
		return;
}

/* The policies too, whatever came of the configuration. */
static void
read_policies(struct crb_core *core)
{
	struct crb_ending *ending;
	struct crb_err err;

	if (crb_ending_new(answer, core, &ending, &err) != CRB_OK) {
		answer(core, &err);
		return;
	}
	crb_policies_read(core->policies, ending);
	crb_ending_ready(ending);
}

static void
not_taken(struct crb_core *core, const struct crb_err *why)
{
	crb_log(CRB_LOG_ERROR, "configuration not taken", CRB_LOG_REASON,
	    why->msg, CRB_LOG_END);
	(void)snprintf(
	    core->reload.problem, sizeof(core->reload.problem), "%s", why->msg);
	read_policies(core);
}

static void
take(struct crb_core *core, struct reading *reading)
{
	crb_config_take(&core->config, &reading->config);
	free(core->ca);
	core->ca = CRB_STEAL(reading->ca);
	json_decref(core->reload.restart);
	core->reload.restart = CRB_STEAL(reading->restart);
	core->reload.loaded = crb_wall_seconds();
	core->reload.problem[0] = '\0';
	crb_log(CRB_LOG_INFO, "configuration read again", CRB_LOG_PATH,
	    core->config.file, CRB_LOG_COUNT,
	    (int64_t)json_array_size(core->reload.restart), CRB_LOG_END);
	read_policies(core);
}

static void
recorded(void *ctx, const struct crb_err *why)
{
	AUTO_READING struct reading *reading = ctx;

	crb_core_committed(reading->core, why);
	if (why == NULL)
		take(reading->core, reading);
	else
		not_taken(reading->core, why);
}

/* Against what it was at start: a key may say again what it did then. */
static enum crb_status
find_restart(
    const struct crb_core *core, struct reading *reading, struct crb_err *err)
{
	if ((reading->restart = json_array()) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	for (const char *const *key = crb_config_at_start; *key != NULL; key++)
		if (crb_config_differs(
			core->reload.first, reading->config.json, *key))
			(void)json_array_append_new(
			    reading->restart, json_string(*key));
	return CRB_OK;
}

static enum crb_status
read_it(
    struct crb_core *core, int fd, struct reading **out, struct crb_err *err)
{
	AUTO_READING struct reading *reading = calloc(1, sizeof(*reading));

	if (reading == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	reading->core = core;
	if (crb_config_load_fd(fd, core->config.file, &reading->config, err) !=
		CRB_OK ||
	    crb_core_load_ca(&reading->config, &reading->ca, err) != CRB_OK ||
	    find_restart(core, reading, err) != CRB_OK)
		return err->status;
	*out = CRB_STEAL(reading);
	return CRB_OK;
}

static enum crb_status
record(struct crb_core *core, struct reading *reading, struct crb_err *err)
{
	const struct crb_audit_event event = {
		.event = "config.reload",
		.who = "broker",
		.decision = "allow",
		.outcome = "ok",
		.detail = core->config.file,
	};

	if (crb_core_need_record(core, err) != CRB_OK ||
	    crb_commit_event(core->commit, &event, err) != CRB_OK)
		return err->status;
	return crb_commit_then(core->commit, recorded, reading, err);
}

void
crb_reload(struct crb_core *core, int file)
{
	AUTO_READING struct reading *reading = NULL;
	CRB_AUTO_FD int fd = file;
	struct crb_err err;

	if (core->config.file == NULL) {
		(void)crb_err_set(&err, CRB_ERR_NOT_FOUND,
		    "there was no configuration file at start: restart "
		    "the broker for it to read one");
		not_taken(core, &err);
	} else if (fd == -1) {
		(void)crb_err_set(&err, CRB_ERR_NOT_FOUND,
		    "%s: it is not there, or others could have written it; "
		    "the broker's log says which",
		    core->config.file);
		not_taken(core, &err);
	} else if (read_it(core, fd, &reading, &err) != CRB_OK) {
		not_taken(core, &err);
	} else if (core->commit == NULL) {
		/* Locked, there is no audit log to say it in. */
		take(core, reading);
	} else if (record(core, reading, &err) != CRB_OK) {
		not_taken(core, &err);
	} else {
		reading = NULL; /* recorded() has it */
	}
}

json_t *
crb_reload_shown(const struct crb_core *core)
{
	const struct crb_reload_state *state = &core->reload;
	char loaded[CRB_TIME_TEXT];

	crb_text_time(state->loaded, loaded);
	return json_pack("{s:s?, s:s, s:s*, s:o}", "file", core->config.file,
	    "loaded", loaded, "problem",
	    state->problem[0] != '\0' ? state->problem : NULL, "restart",
	    state->restart != NULL ? json_incref(state->restart)
				   : json_array());
}
