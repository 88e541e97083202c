/* What the fuzzers share. A fuzzer asserts what must hold for any bytes. */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

/* The entry that libFuzzer, or replay.c, calls. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a text, in memory of just that size, so that a sanitizer sees each step
 * too far; the caller frees it. */
char *input_text(const uint8_t *data, size_t size);

#endif
