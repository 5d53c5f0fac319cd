/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the nearest of some known words. */
#ifndef BULLA_BASE_NEAREST_H
#define BULLA_BASE_NEAREST_H

#include <stddef.h>

/* The word of `known` that is nearest to `word` by edit distance, or NULL when none is near (over a third of its length
 * or two edits, whichever is more). */
const char *bulla_word_nearest(const char *word, const char *const *known, size_t num_known);

#endif
