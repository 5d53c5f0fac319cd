/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/recipients.h"

#include "base/bytes.h"
#include "envelope/failure.h"

bulla_status bulla_keyring_check(bulla_call *call, const bulla_keyring *keyring, size_t min, const char *role)
{
    if (keyring->num_providers < min) return bulla_fail(call, BULLA_EINVAL, "no key is given %s", role);
    if (keyring->num_providers > BULLA_MAX_RECIPIENTS)
        return bulla_fail(call, BULLA_ELIMIT, "%zu keys are given %s; at most %u fit", keyring->num_providers, role,
                          BULLA_MAX_RECIPIENTS);
    for (size_t i = 0; i < keyring->num_providers; i++)
        if (keyring->providers[i] == NULL) return bulla_fail(call, BULLA_EINVAL, "a key given %s is NULL", role);
    return BULLA_OK;
}

bulla_provider *bulla_keyring_find(const bulla_keyring *keyring, const bulla_wrapped *wrapped)
{
    for (size_t i = 0; i < keyring->num_providers; i++)
        if (bulla_provider_matches(keyring->providers[i], wrapped)) return keyring->providers[i];
    return NULL;
}

/* How much a failed attempt tells about why the message does not open. ENOKEY tells nothing: the provider only thought
 * that the wrapped key might be its own. */
static int weight(bulla_status status)
{
    if (status == BULLA_ENOKEY || status == BULLA_ENORECIPIENT) return 0;
    if (status == BULLA_EINTEGRITY) return 1;
    switch (bulla_status_class(status)) {
    case BULLA_CLASS_OK: return 0;
    case BULLA_CLASS_CALLER: return 2;
    case BULLA_CLASS_FATAL: return 3;
    case BULLA_CLASS_UNSURE:
    case BULLA_CLASS_RETRY: return 4; /* the same message may open later */
    case BULLA_CLASS_STOP: return 5;
    }
    return 3;
}

static bulla_status no_recipient(bulla_call *call, const bulla_header *header)
{
    bulla_view first = header->recipients[0].provider;
    return bulla_fail(
        call, BULLA_ENORECIPIENT,
        "none of the given keys opens this message; it has %zu wrapped data key%s, the first for \"%.*s\"",
        header->num_recipients, header->num_recipients == 1 ? "" : "s", first.len > 64 ? 64 : (int)first.len,
        (const char *)first.data);
}

/* One wrapped key with one provider. A data key of a length that the suite does not take is not the message's: it is
 * replaced by a random one, which fails where any wrong key does. Answering differently here would tell whoever sends
 * forged RSA PKCS#1 v1.5 entries which of them had good padding. */
static bulla_status attempt(bulla_call *call, bulla_provider *provider, const bulla_wrapped *wrapped,
                            bulla_context *context, size_t key_len, bulla_secret **out_dek)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_provider_unwrap(provider, call, context, wrapped, &dek));
    if (bulla_secret_borrow(dek).len != key_len) return bulla_secret_random(call, key_len, out_dek);
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

/* One message being opened. */
typedef struct opening {
    const bulla_keyring *keyring;
    const bulla_header *header;
    bulla_context *context;
    bulla_failure worst;
    bool is_dead[BULLA_MAX_RECIPIENTS]; /* by provider: its store did not answer */
} opening;

static bool has_ended(const opening *open)
{
    return weight(open->worst.status) >= weight(BULLA_EDEADLINE);
}

/* One provider with one wrapped key; true when it opened. */
static bool ask(opening *open, bulla_call *call, size_t index, const bulla_wrapped *wrapped, bulla_opened *out_opened)
{
    bulla_provider *provider = open->keyring->providers[index];
    if (open->is_dead[index] || has_ended(open) || !bulla_provider_matches(provider, wrapped)) return false;
    bulla_secret *dek = NULL;
    bulla_status status = attempt(call, provider, wrapped, open->context, open->header->suite->key_len, &dek);
    if (status == BULLA_OK) {
        *out_opened = (bulla_opened){dek, provider, wrapped};
        return true;
    }
    bulla_class class = bulla_status_class(status);
    open->is_dead[index] = class == BULLA_CLASS_RETRY || class == BULLA_CLASS_UNSURE || status == BULLA_EUNTRUSTED;
    if (weight(status) > weight(open->worst.status)) bulla_failure_keep(&open->worst, call);
    return false;
}

/* The one that opened the last message. */
static bool ask_likeliest(opening *open, bulla_call *call, bulla_opened *out_opened)
{
    const size_t *likeliest = open->keyring->likeliest;
    if (likeliest == NULL || *likeliest >= open->keyring->num_providers) return false;
    for (size_t i = 0; i < open->header->num_recipients; i++)
        if (ask(open, call, *likeliest, &open->header->recipients[i], out_opened)) return true;
    return false;
}

/* All others, in the order of the wrapped keys. */
static bool ask_all(opening *open, bulla_call *call, bulla_opened *out_opened)
{
    const bulla_keyring *keyring = open->keyring;
    size_t done = keyring->likeliest == NULL ? SIZE_MAX : *keyring->likeliest;
    for (size_t i = 0; i < open->header->num_recipients * keyring->num_providers; i++) {
        size_t index = i % keyring->num_providers;
        if (index == done || !ask(open, call, index, &open->header->recipients[i / keyring->num_providers], out_opened))
            continue;
        if (keyring->likeliest != NULL) *keyring->likeliest = index;
        return true;
    }
    return false;
}

bulla_status bulla_keyring_open(bulla_call *call, const bulla_keyring *keyring, const bulla_header *header,
                                bulla_context *context, bulla_opened *out_opened)
{
    opening open = {.keyring = keyring, .header = header, .context = context};
    if (ask_likeliest(&open, call, out_opened) || ask_all(&open, call, out_opened)) return BULLA_OK;
    return open.worst.status == BULLA_OK ? no_recipient(call, header) : bulla_failure_give(&open.worst, call);
}
