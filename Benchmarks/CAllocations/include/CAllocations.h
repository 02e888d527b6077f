// Counts the calls of malloc and its relatives in the program that links this.
#pragma once

#include <stdint.h>

/// Allocations since the program started, by any thread.
uint64_t allocation_count(void);
