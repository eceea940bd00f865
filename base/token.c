#include "base/token.h"

#include <stdint.h>
#include <string.h>

#include <sodium.h>

#include "base/text.h"

#define PREFIX_LEN 5u
#define CHECK_LEN 6u
#define BODY_LEN (CRB_TOKEN_LEN - CHECK_LEN)

static const char digits[] =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* The CRC-32 of zlib and Ethernet. */
static uint32_t
crc32(const char *bytes, size_t len)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < len; i++) {
		crc ^= (unsigned char)bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xedb88320u & -(crc & 1u));
	}
	return ~crc;
}

static void
checksum(const char *token, char out[CHECK_LEN])
{
	uint32_t crc = crc32(token, BODY_LEN);

	for (size_t i = CHECK_LEN; i-- > 0; crc /= 62)
		out[i] = digits[crc % 62];
}

void
crb_token_make(char out[CRB_TOKEN_LEN + 1])
{
	memcpy(out, CRB_TOKEN_PREFIX, PREFIX_LEN);
	crb_text_random(out + PREFIX_LEN, BODY_LEN - PREFIX_LEN);
	checksum(out, out + BODY_LEN);
	out[CRB_TOKEN_LEN] = '\0';
}

bool
crb_token_ok(const char *token, size_t len)
{
	char check[CHECK_LEN];

	if (len != CRB_TOKEN_LEN ||
	    memcmp(token, CRB_TOKEN_PREFIX, PREFIX_LEN) != 0)
		return false;
	for (size_t i = PREFIX_LEN; i < len; i++) {
		if (memchr(digits, token[i], sizeof(digits) - 1) == NULL)
			return false;
	}
	checksum(token, check);
	return memcmp(token + BODY_LEN, check, CHECK_LEN) == 0;
}

void
crb_token_hash(
    const char *token, size_t len, unsigned char out[CRB_TOKEN_HASH_BYTES])
{
	(void)crypto_generichash(out, CRB_TOKEN_HASH_BYTES,
	    (const unsigned char *)token, len, NULL, 0);
}
