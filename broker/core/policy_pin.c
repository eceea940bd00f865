#include <string.h>

#include "broker/core/policies_impl.h"

/* The key that is sealed in the vault, or is to be, when there is one. */
static enum crb_status
stored_key(const struct crb_policy_reading *reading, struct crb_policy_pin *out,
    struct crb_err *err)
{
	const char *line = reading->trust[0] != '\0'
	    ? reading->trust
	    : reading->policies->mark.pin;

	out->source = CRB_PIN_NONE;
	if (line[0] == '\0')
		return CRB_OK;
	out->source = CRB_PIN_VAULT;
	if (crb_public_key_parse(line, strlen(line), &out->key, err) != CRB_OK)
		return crb_err_context(err, "the key in the vault");
	return CRB_OK;
}

/* The key file, when there is one. */
static enum crb_status
key_in_file(const struct crb_policy_reading *reading, bool *there,
    struct crb_public_key *out, struct crb_err *err)
{
	const struct crb_policy_text *file = &reading->file[CRB_POLICY_KEY];
	const char *path = reading->policies->path[CRB_POLICY_KEY];

	*there = file->state == CRB_FILE_THERE;
	if (file->state == CRB_FILE_ABSENT)
		return CRB_OK;
	if (file->state == CRB_FILE_UNKNOWN) {
		*err = file->why;
		return err->status;
	}
	if (crb_public_key_parse(crb_buf_text(&file->bytes), file->bytes.len,
		out, err) != CRB_OK)
		return crb_err_context(err, "%s", path);
	return CRB_OK;
}

enum crb_status
crb_policy_pin_find(struct crb_policy_reading *reading, struct crb_err *err)
{
	struct crb_policy_pin *pin = &reading->pin;
	char has[CRB_KEY_ID_TEXT], was[CRB_KEY_ID_TEXT];
	struct crb_public_key key;
	bool there;

	if (stored_key(reading, pin, err) != CRB_OK ||
	    key_in_file(reading, &there, &key, err) != CRB_OK)
		return err->status;
	if (!there)
		return CRB_OK;
	if (pin->source == CRB_PIN_NONE) {
		*pin = (struct crb_policy_pin){ CRB_PIN_FILE, key };
		return CRB_OK;
	}
	reading->conflict = !crb_public_key_same(&key, &pin->key);
	if (!reading->conflict) {
		pin->source = CRB_PIN_BOTH;
		return CRB_OK;
	}
	crb_key_id_text(key.id, has);
	crb_key_id_text(pin->key.id, was);
	return crb_err_set(err, CRB_ERR_DENIED,
	    "%s: it is key %s, and key %s is sealed in the vault",
	    reading->policies->path[CRB_POLICY_KEY], has, was);
}

/* There is one record of the kind: what a second one said could be either. */
enum crb_status
crb_policies_load(struct crb_policies *policies, const struct crb_record_id *id,
    const struct crb_secret *plain, struct crb_err *err)
{
	if (policies->marked)
		return crb_err_set(err, CRB_ERR_CORRUPT,
		    "there are two stored marks of the policies");
	if (crb_policy_mark_parse(crb_secret_bytes(plain),
		crb_secret_len(plain), &policies->mark, err) != CRB_OK)
		return err->status;
	policies->record = *id;
	policies->marked = true;
	return CRB_OK;
}
