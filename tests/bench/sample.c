#include "tests/bench/sample.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void
sample_add(struct sample *sample, uint64_t ns)
{
	if (sample->count == sample->cap) {
		sample->cap = sample->cap > 0 ? sample->cap * 2 : 4096;
		sample->ns = reallocarray(
		    sample->ns, sample->cap, sizeof(*sample->ns));
		if (sample->ns == NULL)
			err(1, "memory");
	}
	sample->ns[sample->count++] = ns;
}

static int
compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static double
percentile(const struct sample *sample, size_t percent)
{
	if (sample->count == 0)
		return 0;
	return (double)sample->ns[(sample->count - 1) * percent / 100] / 1000;
}

void
sample_print(struct sample *sample)
{
	if (sample->count > 0)
		qsort(sample->ns, sample->count, sizeof(*sample->ns), compare);
	printf("\"count\":%zu,\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,"
	       "\"max_us\":%.1f",
	    sample->count, percentile(sample, 50), percentile(sample, 90),
	    percentile(sample, 99), percentile(sample, 100));
}
