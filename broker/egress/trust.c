#include "broker/egress/trust.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include "base/cleanup.h"

struct crb_trust {
	pthread_mutex_t mutex;
	X509_STORE *store; /* NULL: not read yet; set once */
};

enum crb_status
crb_trust_new(struct crb_trust **out, struct crb_err *err)
{
	struct crb_trust *trust = calloc(1, sizeof(*trust));

	if (trust == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	pthread_mutex_init(&trust->mutex, NULL);
	*out = trust;
	return CRB_OK;
}

void
crb_trust_free(struct crb_trust *trust)
{
	if (trust == NULL)
		return;
	X509_STORE_free(trust->store);
	pthread_mutex_destroy(&trust->mutex);
	free(trust);
}

/* The bundle that libcurl was built to use, or OpenSSL's. */
static const char *
bundle_path(void)
{
	const curl_version_info_data *info = curl_version_info(CURLVERSION_NOW);

	if (info->age >= CURLVERSION_SEVENTH && info->cainfo != NULL)
		return info->cainfo;
	return X509_get_default_cert_file();
}

static enum crb_status
load_once(struct crb_trust *trust, struct crb_err *err)
{
	const char *path = bundle_path();
	X509_STORE *store;

	if (trust->store != NULL)
		return CRB_OK;
	if ((store = X509_STORE_new()) == NULL)
		return crb_err_set(err, CRB_ERR_NOMEM, "out of memory");
	if (X509_STORE_load_file(store, path) != 1) {
		X509_STORE_free(store);
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "the system's certificates cannot be read from %s", path);
	}
	trust->store = store;
	return CRB_OK;
}

static enum crb_status
load(struct crb_trust *trust, struct crb_err *err)
{
	enum crb_status status;

	pthread_mutex_lock(&trust->mutex);
	status = load_once(trust, err);
	pthread_mutex_unlock(&trust->mutex);
	return status;
}

static CURLcode
use_store(CURL *easy, void *context, void *ctx)
{
	const struct crb_trust *trust = ctx;

	(void)easy;
	SSL_CTX_set1_cert_store(context, trust->store);
	return CURLE_OK;
}

enum crb_status
crb_trust_system(struct crb_trust *trust, CURL *easy, struct crb_err *err)
{
	if (load(trust, err) != CRB_OK)
		return err->status;
	if (curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) ||
	    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) ||
	    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, use_store) ||
	    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, trust))
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "libcurl does not take its certificates");
	return CRB_OK;
}
