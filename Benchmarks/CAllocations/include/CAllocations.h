// Counts the calls of malloc and its relatives in the program that links this, and what is allocated.
#pragma once

#include <stdint.h>

/// Allocations since the program started, by any thread.
uint64_t allocation_count(void);

/// Bytes that are allocated now, the allocator's own headers included.
uint64_t heap_bytes(void);
