#include "broker/egress/checksum.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <sodium.h>

#include "base/cleanup.h"

#define PREFIX "x-amz-checksum-"
#define LEN_MAX 32u /* SHA-256's */
#define CRC_LEN 4u
#define STRIDE 8u

struct kind {
	const char *header;
	size_t len;
	uint32_t polynomial; /* of a CRC, the lowest bit first */
	const EVP_MD *(*digest)(void);
	bool known_only; /* by name */
};

static const struct kind kinds[] = {
	{ .header = PREFIX "crc32", .len = CRC_LEN, .polynomial = 0xedb88320 },
	{ .header = PREFIX "crc32c", .len = CRC_LEN, .polynomial = 0x82f63b78 },
	{ .header = PREFIX "sha1", .len = 20, .digest = EVP_sha1 },
	{ .header = PREFIX "sha256", .len = 32, .digest = EVP_sha256 },
	{ .header = PREFIX "crc64nvme", .known_only = true },
	{ .header = PREFIX "sha512", .known_only = true },
	{ .header = PREFIX "md5", .known_only = true },
	{ .header = PREFIX "xxhash3", .known_only = true },
	{ .header = PREFIX "xxhash64", .known_only = true },
	{ .header = PREFIX "xxhash128", .known_only = true },
};

struct crb_checksum {
	const struct kind *kind;
	EVP_MD_CTX *context;
	uint32_t crc;
	/* What a byte does to it that is so many bytes from the end of eight.
	 */
	uint32_t table[STRIDE][256];
	bool failed;
};

static enum crb_status
find(const char *header, const struct kind **out, struct crb_err *err)
{
	static const char can[] = "crc32, crc32c, sha1 and sha256 can be";

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		if (strcmp(header, kinds[i].header) != 0)
			continue;
		if (kinds[i].known_only)
			return crb_err_set(err, CRB_ERR_INVALID,
			    "a trailing checksum %s cannot be checked here: %s",
			    header + strlen(PREFIX), can);
		*out = &kinds[i];
		return CRB_OK;
	}
	return crb_err_set(err, CRB_ERR_INVALID,
	    "the trailer of a body is no checksum that can be checked here: %s",
	    can);
}

static void
fill_table(struct crb_checksum *checksum)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;

		for (unsigned bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^
			    ((crc & 1) != 0 ? checksum->kind->polynomial : 0);
		checksum->table[0][byte] = crc;
	}
	for (unsigned i = 1; i < STRIDE; i++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			uint32_t crc = checksum->table[i - 1][byte];

			checksum->table[i][byte] = (crc >> 8) ^
			    checksum->table[0][crc & 0xff];
		}
	}
	checksum->crc = UINT32_MAX;
}

enum crb_status
crb_checksum_new(
    const char *header, struct crb_checksum **out, struct crb_err *err)
{
	CRB_AUTO_CHECKSUM struct crb_checksum *checksum = NULL;
	const struct kind *kind = NULL;

	if (find(header, &kind, err) != CRB_OK)
		return err->status;
	if ((checksum = calloc(1, sizeof(*checksum))) == NULL)
		return crb_err_set(
		    err, CRB_ERR_NOMEM, "no memory for a checksum");
	checksum->kind = kind;
	if (kind->digest == NULL)
		fill_table(checksum);
	else if ((checksum->context = EVP_MD_CTX_new()) == NULL ||
	    EVP_DigestInit_ex(checksum->context, kind->digest(), NULL) != 1)
		return crb_err_set(err, CRB_ERR_SYSTEM,
		    "a %s cannot be computed here",
		    kind->header + strlen(PREFIX));
	*out = CRB_STEAL(checksum);
	return CRB_OK;
}

void
crb_checksum_free(struct crb_checksum *checksum)
{
	if (checksum == NULL)
		return;
	EVP_MD_CTX_free(checksum->context);
	free(checksum);
}

/* Eight bytes a step, for the loop of the egress has more to do. */
static uint32_t
add_strides(
    const struct crb_checksum *checksum, const unsigned char *at, size_t count)
{
	uint32_t crc = checksum->crc;

	for (; count > 0; count--, at += STRIDE) {
		uint32_t next = 0;

		for (unsigned i = 0; i < STRIDE; i++) {
			unsigned byte = at[i];

			if (i < CRC_LEN)
				byte ^= (crc >> (8 * i)) & 0xff;
			next ^= checksum->table[STRIDE - 1 - i][byte];
		}
		crc = next;
	}
	return crc;
}

void
crb_checksum_add(struct crb_checksum *checksum, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	size_t strides = len / STRIDE;

	if (checksum->context != NULL) {
		if (EVP_DigestUpdate(checksum->context, bytes, len) != 1)
			checksum->failed = true;
		return;
	}
	checksum->crc = add_strides(checksum, at, strides);
	for (size_t i = strides * STRIDE; i < len; i++)
		checksum->crc = (checksum->crc >> 8) ^
		    checksum->table[0][(checksum->crc ^ at[i]) & 0xff];
}

static bool
end(struct crb_checksum *checksum, unsigned char out[static LEN_MAX])
{
	unsigned len = 0;

	if (checksum->context != NULL)
		return !checksum->failed &&
		    EVP_DigestFinal_ex(checksum->context, out, &len) == 1 &&
		    len == checksum->kind->len;
	for (unsigned i = 0; i < CRC_LEN; i++)
		out[i] = (unsigned char)(~checksum->crc >> (24 - 8 * i));
	return true;
}

bool
crb_checksum_is(struct crb_checksum *checksum, struct crb_slice base64)
{
	unsigned char said[LEN_MAX], is[LEN_MAX];
	const char *rest = NULL;
	size_t len = 0;

	return sodium_base642bin(said, sizeof(said), base64.p, base64.len, NULL,
		   &len, &rest, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	    rest == base64.p + base64.len && len == checksum->kind->len &&
	    end(checksum, is) && memcmp(said, is, len) == 0;
}
