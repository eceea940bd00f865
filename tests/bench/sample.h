#ifndef CRB_BENCH_SAMPLE_H
#define CRB_BENCH_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

/* How long each of many things took. */
struct sample {
	uint64_t *ns;
	size_t count, cap;
};

/* CLOCK_MONOTONIC, in nanoseconds. */
uint64_t now_ns(void);

void sample_add(struct sample *sample, uint64_t ns);

/* Sorts it, and prints `"count":...,"p50_us":...` without braces. */
void sample_print(struct sample *sample);

#endif /* !CRB_BENCH_SAMPLE_H */
