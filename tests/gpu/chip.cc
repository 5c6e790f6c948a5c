/* chip: what tests/gpu-sim/test-*.cc ask of the emulator, where they are linked to the plugin for
 * the chip instead: orders of threads and the watch are nobody's there. The tests repeat themselves
 * as often, and compare bits. */
#include "../gpu-sim/sim.h"

int sim_order, sim_late, sim_watched, sim_quiet;
long sim_faults, sim_switches, sim_accesses, sim_mallocs;
char sim_last[512];

void sim_unknown(void *, size_t) {}
