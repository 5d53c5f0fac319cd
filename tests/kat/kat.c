/* SPDX-License-Identifier: Apache-2.0 */
#include "kat.h"

#include "base/bytes.h"

#include <stdio.h>
#include <stdlib.h>

kat_bytes kat_hex(const char *text)
{
    size_t len = strlen(text) / 2;
    kat_bytes bytes = {malloc(len + 1), len};
    if (bytes.data == NULL || !bulla_hex_decode(bulla_view_text(text), bytes.data, len)) {
        (void)fprintf(stderr, "not hexadecimal: %.40s\n", text);
        exit(1);
    }
    return bytes;
}

void kat_free(kat_bytes *bytes)
{
    free(bytes->data);
}

bulla_view kat_view(const kat_bytes *bytes)
{
    return bulla_view_of(bytes->data, bytes->len);
}

bool kat_equal(const kat_bytes *expected, const uint8_t *got, size_t len)
{
    return bulla_view_equal(kat_view(expected), bulla_view_of(got, len));
}

void kat_count(kat_counts *counts, kat_verdict verdict)
{
    counts->run += verdict != KAT_SKIP;
    counts->skipped += verdict == KAT_SKIP;
    counts->failed += verdict == KAT_FAIL;
}

bool kat_report(const char *what, const kat_counts *counts)
{
    (void)printf("%-52s %5zu run %5zu skipped %5zu failed%s\n", what, counts->run, counts->skipped, counts->failed,
                 counts->run == 0 ? ": nothing was run" : "");
    return counts->run != 0 && counts->failed == 0;
}

int kat_absent(const char *what_to_do)
{
    const char *require = getenv("BULLA_REQUIRE");
    (void)printf("not run: %s\n", what_to_do);
    return require != NULL && strcmp(require, "1") == 0 ? 1 : 77;
}
