/* probe: for tests that look inside the network: what each named stage computed. */
#ifndef PTD_PROBE_H
#define PTD_PROBE_H
#include "compute/device.h"

/* Called after each stage with its rows x [n, w], brought to the host; NULL: off. */
extern void (*ptd_model_probe)(const char *stage, const float *x, long n, int w);
void ptd_probe(struct ptd_device *d, const char *stage, const ptd_num *x, long n, int w);
#endif
