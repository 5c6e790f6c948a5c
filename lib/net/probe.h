/* probe: for tests that look inside the network: what each named stage computed. */
#ifndef PTD_PROBE_H
#define PTD_PROBE_H

/* Called after each stage with its rows x [n, w]; NULL: off. */
extern void (*ptd_model_probe)(const char *stage, const float *x, long n, int w);
void ptd_probe(const char *stage, const float *x, long n, int w);
#endif
