/* card: how much memory the emulated card has. PTD_SIM_MEMORY: its bytes (64 GiB). PTD_SIM_CARD: a
 * file that all programs with that card have in common: what they have taken together is taken from
 * one memory, and what a killed one had is free again. The file holds the most that there was at a
 * time, in its first 8 bytes. */
#ifndef SIM_CARD_H
#define SIM_CARD_H
#include <stddef.h>

bool card_take(size_t bytes); /* false: there is not as much */
void card_give(size_t bytes);
size_t card_free();
size_t card_all();
#endif
