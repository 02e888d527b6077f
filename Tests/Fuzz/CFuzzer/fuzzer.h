// libFuzzer as a library (https://llvm.org/docs/LibFuzzer.html): there only where a program is linked with -sanitize=fuzzer.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// Runs the fuzzer with the command line given; `run` is called with one input after another.
int LLVMFuzzerRunDriver(int *argc, char ***argv, int (*run)(const uint8_t *bytes, size_t count));
