#ifndef CRB_UNITS_H
#define CRB_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/*
 * "90s", "30m", "8h", "7d", "1h30m": units in falling order, each at most
 * once; a bare number is refused.  In seconds, up to 10 years.
 */
CRB_NODISCARD enum crb_status crb_duration_parse(
    const char *text, int64_t *seconds, struct crb_err *err);
/* "6h12m", at most two units; "0s". */
#define CRB_DURATION_TEXT 24
void crb_duration_text(int64_t seconds, char out[CRB_DURATION_TEXT]);

/* "4096", "64KiB", "10MiB", "2GiB": binary units only. */
CRB_NODISCARD enum crb_status crb_size_parse(
    const char *text, uint64_t *bytes, struct crb_err *err);
/* "1.4 GiB" */
#define CRB_SIZE_TEXT 16
void crb_size_text(uint64_t bytes, char out[CRB_SIZE_TEXT]);

/* Decimal digits only: no sign, no space, no overflow. */
CRB_NODISCARD enum crb_status crb_number_parse(const char *text, size_t len,
    uint64_t max, uint64_t *number, struct crb_err *err);

#endif /* !CRB_UNITS_H */
