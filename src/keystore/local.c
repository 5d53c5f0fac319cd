/* SPDX-License-Identifier: Apache-2.0 */
/* The keystore behind the seam (spec/keystore.md, Wrapping). */
#include "keystore/wraps.h"

#include "base/mem.h"
#include "base/secret.h"

#include <inttypes.h>
#include <stdio.h>

#define MAX_DEK 1024u

typedef struct local {
    bulla_provider base;
    const bulla_env *env;
    bulla_store *store;
    bool any;    /* unwraps for every key of the store */
    bool is_dek; /* wraps one data key that the store keeps */
    uint8_t id[BULLA_ID_LEN], dek_id[BULLA_ID_LEN];
} local;

static local *local_of(bulla_provider *provider)
{
    return (local *)(void *)provider;
}

void bulla_local_info(const uint8_t key_id[BULLA_ID_LEN], uint32_t version, char out[BULLA_LOCAL_INFO_LEN + 1])
{
    char id[BULLA_KEY_ID_TEXT + 1];
    bulla_id_text(key_id, id);
    (void)snprintf(out, BULLA_LOCAL_INFO_LEN + 1, "%s:%010" PRIu32, id, version);
}

bool bulla_local_info_parse(bulla_view info, uint8_t out_id[BULLA_ID_LEN], uint32_t *out_version)
{
    uint64_t version = 0;
    char again[BULLA_LOCAL_INFO_LEN + 1];
    if (info.len != BULLA_LOCAL_INFO_LEN || !bulla_hex_decode(bulla_view_of(info.data, BULLA_KEY_ID_TEXT), out_id, 16))
        return false;
    for (size_t i = BULLA_KEY_ID_TEXT + 1; i < info.len; i++) {
        if (info.data[i] < '0' || info.data[i] > '9') return false;
        version = version * 10 + (info.data[i] - (uint64_t)'0');
    }
    if (version == 0 || version > UINT32_MAX) return false;
    *out_version = (uint32_t)version;
    bulla_local_info(out_id, *out_version, again); /* one text for one key: no capitals, no other separator */
    return bulla_view_is(info, again);
}

static bool local_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const local *self = (const local *)(const void *)provider;
    uint8_t id[BULLA_ID_LEN];
    uint32_t version = 0;
    if (!bulla_view_is(wrapped->provider, BULLA_LOCAL_NAME)) return false;
    return bulla_local_info_parse(wrapped->info, id, &version) && (self->any || memcmp(id, self->id, sizeof id) == 0);
}

/* What is bound: the context, and the data key's own id where the store keeps it. `*memory` is freed by the caller. */
static bulla_status bound_of(const local *self, bulla_call *call, const bulla_context *context, void **memory,
                             bulla_view *out_bound)
{
    bulla_view bytes = bulla_context_bytes(context);
    if (!self->is_dek) {
        *out_bound = bytes;
        return BULLA_OK;
    }
    BULLA_TRY(bulla_alloc(call, BULLA_BIND_LEN + bytes.len, memory));
    *out_bound = bulla_bind_dek(self->dek_id, bytes, *memory);
    return BULLA_OK;
}

static bulla_status use(local *self, bulla_call *call, const uint8_t id[BULLA_ID_LEN], uint32_t version,
                        bulla_opened *out_opened)
{
    BULLA_SESSION(session);
    BULLA_TRY(bulla_session_read(self->store, call, &session));
    return bulla_version_use(self->store, call, id, version, out_opened);
}

static bulla_record_key record_key(const bulla_opened *opened)
{
    bulla_record_key key = {.version = opened->version, .aead = opened->aead};
    memcpy(key.id, opened->id, BULLA_ID_LEN);
    return key;
}

/* --- slots --- */

static bulla_status local_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    local *self = local_of(provider);
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(bulla_session_read(self->store, call, &session));
    BULLA_TRY(bulla_key_find_id(self->store, call, self->id, &row));
    bulla_key_row_info(&row, out_info);
    return BULLA_OK;
}

static bulla_status seal(const local *self, bulla_call *call, const bulla_opened *opened, const bulla_context *context,
                         bulla_view dek, uint8_t *out)
{
    void *memory = NULL;
    bulla_view bound = {NULL, 0};
    bulla_record_key key = record_key(opened);
    BULLA_TRY(bound_of(self, call, context, &memory, &bound));
    bulla_status status = bulla_record_seal(&key, call, bound, dek, out);
    bulla_free(bulla_env_of(call), memory);
    return status;
}

static bulla_status local_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped)
{
    local *self = local_of(provider);
    bulla_view bytes = bulla_secret_borrow(dek);
    uint8_t blob[MAX_DEK + BULLA_RECORD_OVERHEAD];
    char info[BULLA_LOCAL_INFO_LEN + 1];
    BULLA_OPENED(opened);
    if (bytes.len == 0 || bytes.len > MAX_DEK)
        return bulla_fail(call, BULLA_ELIMIT, "the keystore wraps keys of 1 to %u bytes, not %zu", MAX_DEK, bytes.len);
    BULLA_TRY(use(self, call, self->id, 0, &opened));
    BULLA_TRY(bulla_wraps_check(call, opened.id, opened.version, opened.num_wraps));
    BULLA_TRY(seal(self, call, &opened, context, bytes, blob));
    BULLA_TRY(bulla_wraps_note(self->store, call, &opened, blob));
    bulla_local_info(opened.id, opened.version, info);
    return bulla_wrapped_new(call, bulla_view_text(BULLA_LOCAL_NAME), bulla_view_text(info),
                             bulla_view_of(blob, bytes.len + BULLA_RECORD_OVERHEAD), out_wrapped);
}

static bulla_status open_into(const local *self, bulla_call *call, const bulla_opened *opened,
                              const bulla_context *context, bulla_view blob, uint8_t *out)
{
    void *memory = NULL;
    bulla_view bound = {NULL, 0};
    bulla_record_key key = record_key(opened);
    BULLA_TRY(bound_of(self, call, context, &memory, &bound));
    bulla_status status = bulla_record_open(&key, call, bound, blob, out);
    bulla_free(bulla_env_of(call), memory);
    return status;
}

/* Information and record must name one and the same key version, before any is looked for. */
static bulla_status wrapped_parse(bulla_call *call, const bulla_wrapped *wrapped, uint8_t out_id[BULLA_ID_LEN],
                                  uint32_t *out_version)
{
    bulla_record_header header;
    if (!bulla_local_info_parse(wrapped->info, out_id, out_version) || wrapped->blob.len <= BULLA_RECORD_OVERHEAD ||
        wrapped->blob.len > MAX_DEK + BULLA_RECORD_OVERHEAD)
        return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key is not one of the keystore's");
    /* Of an unknown record version too no more is said: the seam has one answer for bytes that are not ours. */
    if (bulla_record_header_decode(call, wrapped->blob, &header) != BULLA_OK || header.version != *out_version ||
        memcmp(header.id, out_id, BULLA_ID_LEN) != 0)
        return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key and what is said of it name different keys");
    return BULLA_OK;
}

static bulla_status local_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    local *self = local_of(provider);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_OPENED(opened);
    uint8_t id[BULLA_ID_LEN];
    uint32_t version = 0;
    BULLA_TRY(wrapped_parse(call, wrapped, id, &version));
    if (!self->any && memcmp(id, self->id, sizeof id) != 0)
        return bulla_fail(call, BULLA_ENOKEY, "the data key was wrapped under another key");
    BULLA_TRY(use(self, call, id, version, &opened));
    BULLA_TRY(bulla_secret_new(call, wrapped->blob.len - BULLA_RECORD_OVERHEAD, &dek));
    BULLA_TRY(open_into(self, call, &opened, context, wrapped->blob, bulla_secret_fill(dek)));
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

static bulla_status local_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    local *self = local_of(provider);
    char id[BULLA_KEY_ID_TEXT + 1], same[BULLA_KEY_ID_TEXT + 1];
    bulla_id_text(self->id, id);
    return bulla_store_key_rotate(self->store, call, id, same, out_version);
}

static void local_destroy(bulla_provider *provider)
{
    local *self = local_of(provider);
    bulla_store_unref(self->store);
    bulla_free(self->env, self);
}

static const bulla_provider_ops key_ops = {
    .size = sizeof key_ops,
    .name = "local",
    .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_ROTATE,
    .idempotent = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP,
    .matches = local_matches,
    .describe = local_describe,
    .wrap = local_wrap,
    .unwrap = local_unwrap,
    .rotate = local_rotate,
    .destroy = local_destroy,
};

static const bulla_provider_ops any_ops = {
    .size = sizeof any_ops,
    .name = "local",
    .can = BULLA_OP_UNWRAP,
    .idempotent = BULLA_OP_UNWRAP,
    .matches = local_matches,
    .unwrap = local_unwrap,
    .destroy = local_destroy,
};

/* --- opening --- */

static bulla_status local_new(bulla_store *store, bulla_call *call, const bulla_provider_ops *ops, local **out_local)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(local), &memory));
    local *made = memory;
    made->env = bulla_env_of(call);
    made->store = bulla_store_ref(store);
    bulla_provider_init(&made->base, ops);
    *out_local = made;
    return BULLA_OK;
}

static bulla_status key_id_of(bulla_store *store, bulla_call *call, const char *key, uint8_t out_id[BULLA_ID_LEN])
{
    BULLA_SESSION(session);
    bulla_key_row row;
    BULLA_TRY(bulla_session_read(store, call, &session));
    BULLA_TRY(bulla_key_find(store, call, key, &row));
    memcpy(out_id, row.id, BULLA_ID_LEN);
    return BULLA_OK;
}

bulla_status bulla_local_open(bulla_store *store, bulla_call *call, const char *key, bulla_provider **out_provider)
{
    uint8_t id[BULLA_ID_LEN] = {0};
    bool any = key[0] == '\0';
    local *made = NULL;
    if (!any) BULLA_TRY(key_id_of(store, call, key, id));
    BULLA_TRY(local_new(store, call, any ? &any_ops : &key_ops, &made));
    made->any = any;
    memcpy(made->id, id, sizeof id);
    *out_provider = &made->base;
    return BULLA_OK;
}

bulla_status bulla_local_new_dek(bulla_store *store, bulla_call *call, const uint8_t key_id[BULLA_ID_LEN],
                                 const uint8_t dek_id[BULLA_ID_LEN], bulla_provider **out_provider)
{
    local *made = NULL;
    BULLA_TRY(local_new(store, call, &key_ops, &made));
    made->is_dek = true;
    memcpy(made->id, key_id, BULLA_ID_LEN);
    memcpy(made->dek_id, dek_id, BULLA_ID_LEN);
    *out_provider = &made->base;
    return BULLA_OK;
}
