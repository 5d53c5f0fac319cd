/* SPDX-License-Identifier: Apache-2.0 */
/* What the known-answer programs share: bytes from text, verdicts, counts, and what to do when there are no vectors. */
#ifndef BULLA_TESTS_KAT_H
#define BULLA_TESTS_KAT_H

#include "bulla/types.h"

typedef enum kat_verdict { KAT_PASS, KAT_FAIL, KAT_SKIP } kat_verdict;

typedef struct kat_counts {
    size_t run, skipped, failed;
} kat_counts;

/* A buffer of the hexadecimal `text`; ends the program when it is none. Freed by kat_free. */
typedef struct kat_bytes {
    uint8_t *data;
    size_t len;
} kat_bytes;
kat_bytes kat_hex(const char *text);
void kat_free(kat_bytes *bytes);
#define KAT_BYTES __attribute__((cleanup(kat_free))) kat_bytes
bulla_view kat_view(const kat_bytes *bytes);
bool kat_equal(const kat_bytes *expected, const uint8_t *got, size_t len);

void kat_count(kat_counts *counts, kat_verdict verdict);

/* Prints a line of counts. False when a case failed, and when none was run: a file without cases proves nothing. */
bool kat_report(const char *what, const kat_counts *counts);

/* The exit code for "not run": 77, which ctest reads as skipped, or 1 where BULLA_REQUIRE says that nothing may be. */
int kat_absent(const char *what_to_do);

#endif
