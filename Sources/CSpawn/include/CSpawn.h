// Starting other programs: what the C library offers for that as variadic macros, extensions and arrays of pointers.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

// Starts the program named by the first word, looked for in PATH. `words` are its arguments, each ended by a zero byte.
// It gets /dev/null as standard input, `output` as standard output and error, no other descriptor, no blocked or ignored
// signal, and only PATH of the environment. A detached one has a session of its own and starts in the root directory.
// Returns the process, or a negative error number.
pid_t spawn_start(const char *words, size_t size, int output, bool is_detached);

// How a child has ended: its exit code, or 128 and the signal's number. Without `blocks`, -1 while it runs.
int spawn_wait(pid_t process, bool blocks);

// A pipe whose ends are closed in children. Returns 0 or a negative error number.
int spawn_pipe(int *input, int *output);
