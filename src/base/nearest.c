/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <string.h>

#define MAX_WORD 31u /* longer words are not compared: no scheme and no parameter is */

static size_t least(size_t a, size_t b, size_t c)
{
    size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein distance, one row at a time. */
static size_t distance(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b), row[MAX_WORD + 1];
    for (size_t j = 0; j <= b_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t above = row[j];
            row[j] = least(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[b_len];
}

const char *bulla_word_nearest(const char *word, const char *const *known, size_t num_known)
{
    const char *nearest = NULL;
    size_t len = strnlen(word, MAX_WORD + 1), best = (len / 3 > 2 ? len / 3 : 2) + 1;
    if (len > MAX_WORD) return NULL;
    for (size_t i = 0; i < num_known; i++) {
        size_t far = strnlen(known[i], MAX_WORD + 1) > MAX_WORD ? best : distance(word, known[i]);
        if (far >= best) continue;
        best = far;
        nearest = known[i];
    }
    return nearest;
}
