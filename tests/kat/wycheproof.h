/* SPDX-License-Identifier: Apache-2.0 */
/* Wycheproof's files: JSON objects of groups of tests. One function for each kind of test judges a single one. */
#ifndef BULLA_TESTS_WYCHEPROOF_H
#define BULLA_TESTS_WYCHEPROOF_H

#include "crypto/kdf.h"
#include "kat.h"

#include <jansson.h>

/* `algorithm` is the file's, such as "HKDF-SHA-256". */
typedef kat_verdict wycheproof_case(const char *algorithm, const json_t *group, const json_t *test);

/* Members, as they must be there: the program ends otherwise. */
kat_bytes wycheproof_bytes(const json_t *object, const char *name);
const char *wycheproof_text(const json_t *object, const char *name);
size_t wycheproof_number(const json_t *object, const char *name);

/* The hash whose name ends `text`. */
bulla_hash wycheproof_hash(const char *text);

/* What the vector says of the operation, against whether it succeeded with the right answer. "acceptable" vectors may
 * fail, but not succeed with a wrong one. */
kat_verdict wycheproof_judge(const json_t *test, bool has_succeeded, bool is_right);

wycheproof_case wycheproof_aes_gcm, wycheproof_aes_kwp, wycheproof_hkdf, wycheproof_hmac, wycheproof_rsa_oaep,
    wycheproof_rsa_pkcs1, wycheproof_ecdsa;

#endif
