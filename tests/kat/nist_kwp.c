/* SPDX-License-Identifier: Apache-2.0 */
/* NIST's CAVS vectors for KWP: blocks of "K =", "P =", "C =" lines, FAIL in place of P where unwrapping must fail. */
#include "crypto/keywrap.h"
#include "kat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LINE 4096u
#define MAX_KEY 1024u

typedef struct cavs_case {
    char key[MAX_LINE], plain[MAX_LINE], cipher[MAX_LINE];
    bool fails;
} cavs_case;

static bool take(const char *line, const char *label, char *out)
{
    size_t len = strlen(label);
    if (strncmp(line, label, len) != 0) return false;
    (void)snprintf(out, MAX_LINE, "%.*s", (int)strcspn(line + len, "\r\n"), line + len);
    return true;
}

static kat_verdict run_case(const cavs_case *taken)
{
    KAT_BYTES key = kat_hex(taken->key);
    KAT_BYTES plain = kat_hex(taken->plain);
    KAT_BYTES cipher = kat_hex(taken->cipher);
    uint8_t out[MAX_KEY];
    size_t len = 0;
    bulla_status status = bulla_kwp_unwrap(NULL, kat_view(&key), kat_view(&cipher), out, sizeof out, &len);
    if (taken->fails) return status == BULLA_EINTEGRITY ? KAT_PASS : KAT_FAIL;
    if (status != BULLA_OK || !kat_equal(&plain, out, len)) return KAT_FAIL;
    status = bulla_kwp_wrap(NULL, kat_view(&key), kat_view(&plain), out, sizeof out, &len);
    return status == BULLA_OK && kat_equal(&cipher, out, len) ? KAT_PASS : KAT_FAIL;
}

/* A case is complete when it has a ciphertext and either a plaintext or FAIL, in whichever order they come. */
static void run_file(FILE *file, kat_counts *counts)
{
    static cavs_case taken;
    static char line[MAX_LINE];
    while (fgets(line, sizeof line, file) != NULL) {
        if (take(line, "K = ", taken.key)) {
            taken.plain[0] = taken.cipher[0] = '\0';
            taken.fails = false;
        }
        bool is_part = take(line, "P = ", taken.plain) || take(line, "C = ", taken.cipher);
        if (strncmp(line, "FAIL", 4) == 0) taken.fails = is_part = true;
        if (is_part && taken.cipher[0] != '\0' && (taken.plain[0] != '\0' || taken.fails))
            kat_count(counts, run_case(&taken));
    }
}

int main(void)
{
    static const char *const names[] = {"KWP_AD_128", "KWP_AD_192", "KWP_AD_256",
                                        "KWP_AE_128", "KWP_AE_192", "KWP_AE_256"};
    const char *folder = getenv("BULLA_VECTORS");
    if (folder == NULL) return kat_absent("set BULLA_VECTORS to a folder with nist-kw/KWP_AD_128.txt and its kin");
    bool is_right = true;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/nist-kw/%s.txt", folder, names[i]);
        FILE *file = fopen(path, "r");
        if (file == NULL) return kat_absent("BULLA_VECTORS has no nist-kw folder with NIST's KWP vectors");
        kat_counts counts = {0};
        run_file(file, &counts);
        (void)fclose(file);
        is_right &= kat_report(names[i], &counts);
    }
    return is_right ? 0 : 1;
}
