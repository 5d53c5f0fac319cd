/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The JSON of Azure Key Vault and Managed HSM keys (learn.microsoft.com/rest/api/keyvault/keys), and the header by
 * which they say where to log in. Bytes that are keys go into secrets.
 */
#ifndef BULLA_WIRE_AZUREKV_H
#define BULLA_WIRE_AZUREKV_H

#include "base/json.h"
#include "base/secret.h"

#define BULLA_AZUREKV_MAX_KID 512u
#define BULLA_AZUREKV_MAX_LINK 2048u

/* https://HOST[:PORT]/keys/NAME[/VERSION]. Views into the text. */
typedef struct bulla_azurekv_kid {
    bulla_view base; /* https://HOST[:PORT] */
    bulla_view host; /* without the port */
    bulla_view name;
    bulla_view version; /* empty: none */
} bulla_azurekv_kid;
bool bulla_azurekv_kid_parse(bulla_view text, bulla_azurekv_kid *out_kid);
/* Vaults and names do not tell upper from lower case; `key` is the same key in whatever version. */
bool bulla_azurekv_kid_is_of(const bulla_azurekv_kid *kid, const bulla_azurekv_kid *key);

/* WWW-Authenticate: Bearer authorization="https://login…/TENANT", resource="https://vault.azure.net". */
typedef struct bulla_azurekv_challenge {
    char authority[256]; /* https://HOST */
    char tenant[64];
    char resource[256]; /* https://HOST, as it came: without /.default */
} bulla_azurekv_challenge;
BULLA_MUST_USE bulla_status bulla_azurekv_challenge_parse(bulla_call *call, const char *header,
                                                          bulla_azurekv_challenge *out_challenge);
/* Whether a token for the challenge's resource is for `host` to see: the resource's host is it or above it. */
bool bulla_azurekv_challenge_is_for(const bulla_azurekv_challenge *challenge, const char *host);

/* {"alg", "value"} of wrapkey and unwrapkey. */
BULLA_MUST_USE bulla_status bulla_azurekv_operation_encode(bulla_call *call, const char *algorithm, bulla_view value,
                                                           bulla_secret **out_body);

/* Errors of all readers: EFORMAT for what is not the answer that the interface promises, ENOMEM. */
typedef struct bulla_azurekv_result {
    char kid[BULLA_AZUREKV_MAX_KID]; /* the version that was used */
    bulla_secret *value;
} bulla_azurekv_result;
void bulla_azurekv_result_done(bulla_azurekv_result *result);
#define BULLA_AZUREKV_RESULT(variable)                                                                                 \
    __attribute__((cleanup(bulla_azurekv_result_done))) bulla_azurekv_result variable = {.value = NULL}
BULLA_MUST_USE bulla_status bulla_azurekv_result_read(bulla_call *call, bulla_view body,
                                                      bulla_azurekv_result *out_result);

typedef enum bulla_azurekv_type { BULLA_AZUREKV_OTHER, BULLA_AZUREKV_RSA, BULLA_AZUREKV_OCT } bulla_azurekv_type;

typedef struct bulla_azurekv_key {
    char kid[BULLA_AZUREKV_MAX_KID]; /* with the version; of a list, without */
    bulla_azurekv_type type;
    bool is_enabled;
    bool can_wrap, can_unwrap;                             /* key_ops; all when there are none */
    int64_t not_before_s, expires_s, created_s, updated_s; /* 0: none */
} bulla_azurekv_key;
BULLA_MUST_USE bulla_status bulla_azurekv_key_read(bulla_call *call, bulla_view body, bulla_azurekv_key *out_key);

/* A page of keys or of versions. `link` gets the address of the next one, empty after the last. */
typedef bulla_status (*bulla_azurekv_visit)(void *arg, bulla_call *call, const bulla_azurekv_key *key);
BULLA_MUST_USE bulla_status bulla_azurekv_list_read(bulla_call *call, bulla_view body, bulla_azurekv_visit visit,
                                                    void *arg, char link[BULLA_AZUREKV_MAX_LINK]);

/* {"error": {"code", "message", "innererror": {"code"}}}. Empty when the body is not one. */
typedef struct bulla_azurekv_error {
    char code[48], inner[48]; /* Forbidden, KeyDisabled */
    char text[160];
} bulla_azurekv_error;
void bulla_azurekv_error_read(bulla_view body, bulla_azurekv_error *out_error);

#endif
