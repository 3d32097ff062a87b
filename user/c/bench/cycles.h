/* The second clock: cycles, where the machine gives them to user mode. Nothing of it is an instruction count. */
#pragma once
#include "bench.h"

/* The clock's name, or 0 where user mode has none. */
const char *cycle_clock(void);

/* Measure an operation, and print a line: its name, cycles a round hot (the median of many passes), cold (the median of single rounds after
 * the caches were filled with something else), and of the hot ones the tenth part from below and from above. */
void measure_cycles(const struct operation *operation);
