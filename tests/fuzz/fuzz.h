/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the fuzzers share: each is one C file, built by test_fuzz.py
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

/* One that libFuzzer stops at, and that no build leaves out */
#define FUZZ_ASSERT(condition) do {                                     \
        if (!(condition)) {                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
            __builtin_trap();                                           \
        }                                                               \
    } while (0)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
