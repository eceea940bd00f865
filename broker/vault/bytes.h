#ifndef CRB_VAULT_BYTES_H
#define CRB_VAULT_BYTES_H

#include <stdint.h>

/* Little-endian integers in what is written to disk. */
static inline void
crb_put_u32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline void
crb_put_u64(uint8_t *p, uint64_t v)
{
	for (int i = 0; i < 8; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static inline uint32_t
crb_get_u32(const uint8_t *p)
{
	uint32_t v = 0;

	for (int i = 3; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static inline uint64_t
crb_get_u64(const uint8_t *p)
{
	return (uint64_t)crb_get_u32(p + 4) << 32 | crb_get_u32(p);
}

#endif /* !CRB_VAULT_BYTES_H */
