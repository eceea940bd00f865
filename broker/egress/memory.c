#include "broker/egress/memory.h"

#include <stdint.h>

#include <curl/curl.h>
#include <openssl/crypto.h>

#include "base/slab.h"

static void *
zeroed(size_t count, size_t size)
{
	size_t len;

	if (__builtin_mul_overflow(count, size, &len))
		return NULL;
	return crb_slab_alloc(len);
}

static void *
openssl_malloc(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	return len > 0 ? crb_slab_alloc(len) : NULL;
}

static void *
openssl_realloc(void *p, size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	if (len > 0)
		return crb_slab_realloc(p, len);
	crb_slab_free(p);
	return NULL;
}

static void
openssl_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	crb_slab_free(p);
}

enum crb_status
crb_egress_memory(struct crb_err *err)
{
	if (CRYPTO_set_mem_functions(
		openssl_malloc, openssl_realloc, openssl_free) != 1)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "OpenSSL has allocated already");
	if (curl_global_init_mem(CURL_GLOBAL_ALL, crb_slab_alloc, crb_slab_free,
		crb_slab_realloc, crb_slab_strdup, zeroed) != CURLE_OK)
		return crb_err_set(
		    err, CRB_ERR_SYSTEM, "libcurl cannot be started");
	return CRB_OK;
}
