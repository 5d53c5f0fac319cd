/* SPDX-License-Identifier: Apache-2.0 */
/* Data keys in use: the AEAD kept ready, the wrapped form kept beside it, and the count of what was sealed. */
#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/kdf.h"
#include "envelope/record.h"
#include "provider/provider.h"

#define DEK_LEN 32u
#define RECORD_KEY_VERSION 1u             /* spec/record.md, Keys */
#define ID_LABEL "bulla record key id v1" /* spec/record.md, Keys */
#define MAX_RECORDS (UINT64_C(1) << 32)   /* random nonces under one key (SP 800-38D, 8.3) */
#define CACHE_LINE 64u

struct bulla_datakey {
    size_t refs;
    const bulla_env *env;
    bulla_wrapped *wrapped;
    bulla_record_key key; /* its aead is owned here */
    uint64_t max_records, max_bytes;
    uint8_t apart[CACHE_LINE];       /* threads that only open records do not feel those that count */
    uint64_t num_records, num_bytes; /* used through atomic built-ins only */
};

static void datakey_free(bulla_datakey *datakey)
{
    bulla_aead_unref(datakey->key.aead);
    bulla_wrapped_free(datakey->wrapped);
    bulla_free(datakey->env, datakey);
}

bulla_datakey *bulla_datakey_ref(bulla_datakey *datakey)
{
    if (datakey != NULL) bulla_refs_take(&datakey->refs);
    return datakey;
}

void bulla_datakey_unref(bulla_datakey *datakey)
{
    if (datakey != NULL && bulla_refs_drop(&datakey->refs)) datakey_free(datakey);
}

BULLA_AUTO_DEFINE(bulla_datakey, bulla_datakey_unref)

static bulla_status limits_set(bulla_datakey *datakey, bulla_call *call, const bulla_datakey_options *options)
{
    datakey->max_records = MAX_RECORDS;
    datakey->max_bytes = UINT64_MAX;
    if (options == NULL) return BULLA_OK;
    if (options->size < sizeof *options)
        return bulla_fail(call, BULLA_EINVAL, "bulla_datakey_options.size is %zu, set it to sizeof the struct",
                          options->size);
    if (options->max_records != 0 && options->max_records < MAX_RECORDS) datakey->max_records = options->max_records;
    if (options->max_bytes != 0) datakey->max_bytes = options->max_bytes;
    return BULLA_OK;
}

static bulla_status key_set(bulla_datakey *datakey, bulla_call *call, const bulla_secret *dek)
{
    bulla_view bytes = bulla_secret_borrow(dek);
    if (bytes.len != DEK_LEN)
        return bulla_fail(call, BULLA_EUNSUPPORTED, "records need a data key of %u bytes, this one has %zu", DEK_LEN,
                          bytes.len);
    uint8_t mac[BULLA_HASH_MAX];
    BULLA_TRY(bulla_hmac(call, BULLA_SHA256, bytes, bulla_view_text(ID_LABEL), mac));
    memcpy(datakey->key.id, mac, sizeof datakey->key.id);
    datakey->key.version = RECORD_KEY_VERSION;
    return bulla_aead_new(call, bytes, &datakey->key.aead);
}

/* Everything but the key and its wrapped form. */
static bulla_status datakey_new(bulla_call *call, const bulla_datakey_options *options, bulla_datakey **out_datakey)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_datakey), &memory));
    BULLA_AUTO(bulla_datakey) *datakey = memory;
    datakey->refs = 1;
    datakey->env = bulla_env_of(call);
    BULLA_TRY(limits_set(datakey, call, options));
    *out_datakey = BULLA_TAKE(datakey);
    return BULLA_OK;
}

bulla_status bulla_datakey_create(bulla_call *call, bulla_provider *provider, bulla_context *context,
                                  const bulla_datakey_options *options, bulla_datakey **out_datakey)
{
    BULLA_AUTO(bulla_datakey) *datakey = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(datakey_new(call, options, &datakey));
    BULLA_TRY(bulla_provider_datakey(provider, call, context, DEK_LEN, &dek, &datakey->wrapped));
    BULLA_TRY(key_set(datakey, call, dek));
    *out_datakey = BULLA_TAKE(datakey);
    return BULLA_OK;
}

bulla_status bulla_datakey_open(bulla_call *call, bulla_provider *provider, bulla_context *context,
                                const bulla_wrapped *wrapped, const bulla_datakey_options *options,
                                bulla_datakey **out_datakey)
{
    BULLA_AUTO(bulla_datakey) *datakey = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(datakey_new(call, options, &datakey));
    BULLA_TRY(bulla_wrapped_copy(call, wrapped, &datakey->wrapped));
    BULLA_TRY(bulla_provider_unwrap(provider, call, context, wrapped, &dek));
    BULLA_TRY(key_set(datakey, call, dek));
    *out_datakey = BULLA_TAKE(datakey);
    return BULLA_OK;
}

const bulla_wrapped *bulla_datakey_wrapped(const bulla_datakey *datakey)
{
    return datakey->wrapped;
}

/* Adds `num` to a count unless that would go over `max`: whatever other threads do, the count never does. */
static inline bool count_take(uint64_t *count, uint64_t num, uint64_t max)
{
    uint64_t old = __atomic_load_n(count, __ATOMIC_RELAXED);
    do {
        if (BULLA_UNLIKELY(num > max - old)) return false;
    } while (!__atomic_compare_exchange_n(count, &old, old + num, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return true;
}

static inline bulla_status budget_take(bulla_datakey *datakey, bulla_call *call, size_t len)
{
    if (datakey->max_bytes != UINT64_MAX && !count_take(&datakey->num_bytes, len, datakey->max_bytes))
        return bulla_fail(call, BULLA_ELIMIT, "the data key may seal %llu bytes and has: make another one",
                          (unsigned long long)datakey->max_bytes);
    if (!count_take(&datakey->num_records, 1, datakey->max_records))
        return bulla_fail(call, BULLA_ELIMIT, "the data key may seal %llu records and has: make another one",
                          (unsigned long long)datakey->max_records);
    return BULLA_OK;
}

static inline bulla_status arguments_check(bulla_call *call, const bulla_datakey *datakey, bulla_view in,
                                           const uint8_t *out, size_t cap, const size_t *out_len)
{
    if (BULLA_LIKELY(datakey != NULL && out_len != NULL && (in.data != NULL || in.len == 0) &&
                     (out != NULL || cap == 0)))
        return BULLA_OK;
    return bulla_fail(call, BULLA_EINVAL, "the data key, the bytes or the place for the result is missing");
}

bulla_status bulla_record_encrypt(bulla_datakey *datakey, bulla_call *call, const bulla_context *context,
                                  bulla_view plaintext, uint8_t *out, size_t cap, size_t *out_len)
{
    BULLA_TRY(arguments_check(call, datakey, plaintext, out, cap, out_len));
    if (BULLA_UNLIKELY(plaintext.len > BULLA_MAX_RECORD))
        return bulla_fail(call, BULLA_ELIMIT, "a record holds at most %u bytes, not %zu: encrypt a message instead",
                          BULLA_MAX_RECORD, plaintext.len);
    size_t len = plaintext.len + BULLA_RECORD_OVERHEAD;
    if (BULLA_UNLIKELY(cap < len))
        return bulla_fail(call, BULLA_ELIMIT, "the record takes %zu bytes, there is room for %zu", len, cap);
    BULLA_TRY(budget_take(datakey, call, plaintext.len));
    BULLA_TRY(bulla_record_seal(&datakey->key, call, bulla_context_bytes(context), plaintext, out));
    *out_len = len;
    return BULLA_OK;
}

bulla_status bulla_record_decrypt(bulla_datakey *datakey, bulla_call *call, const bulla_context *context,
                                  bulla_view record, uint8_t *out, size_t cap, size_t *out_len)
{
    BULLA_TRY(arguments_check(call, datakey, record, out, cap, out_len));
    if (BULLA_UNLIKELY(record.len > BULLA_RECORD_OVERHEAD && cap < record.len - BULLA_RECORD_OVERHEAD))
        return bulla_fail(call, BULLA_ELIMIT, "the plaintext takes up to %zu bytes, there is room for %zu",
                          record.len - BULLA_RECORD_OVERHEAD, cap);
    BULLA_TRY(bulla_record_open(&datakey->key, call, bulla_context_bytes(context), record, out));
    *out_len = record.len - BULLA_RECORD_OVERHEAD;
    return BULLA_OK;
}
