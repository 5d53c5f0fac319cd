/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/memory_provider.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/rand.h"
#include "provider/provider.h"

#define KEY_ID_MAX 40u

typedef struct memory_provider {
    bulla_provider base;
    const bulla_env *env;
    char key_id[KEY_ID_MAX];
    uint8_t seed;
    uint32_t num_versions;
    bulla_aead *versions[MEMORY_VERSIONS];
    bulla_key_state state;
    bool down;
    void (*hook)(void *arg);
    void *hook_arg;
    memory_counts counts;
} memory_provider;

static memory_provider *self_of(bulla_provider *provider)
{
    return (memory_provider *)(void *)provider;
}

static void count(size_t *counter)
{
    (void)__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* What a store asks itself before everything: does it answer, and may the key be used? */
static bulla_status key_check(const memory_provider *self, bulla_call *call)
{
    if (__atomic_load_n(&self->down, __ATOMIC_RELAXED)) return bulla_fail(call, BULLA_EUNAVAIL, "the store is down");
    bulla_key_state state = __atomic_load_n(&self->state, __ATOMIC_RELAXED);
    if (state == BULLA_KEY_DESTROYED) return bulla_fail(call, BULLA_EDESTROYED, "the key is destroyed");
    if (state != BULLA_KEY_ENABLED) return bulla_fail(call, BULLA_ESTATE, "the key is not enabled");
    return BULLA_OK;
}

static bulla_status version_add(memory_provider *self, bulla_call *call)
{
    if (self->num_versions == MEMORY_VERSIONS) return bulla_fail(call, BULLA_ELIMIT, "no more versions");
    BULLA_WIPED(uint8_t, key, 32);
    memset(key, self->seed, sizeof key);
    key[0] = (uint8_t)(self->num_versions + 1);
    BULLA_TRY(bulla_aead_new(call, bulla_view_of(key, sizeof key), &self->versions[self->num_versions]));
    self->num_versions++;
    return BULLA_OK;
}

static bool memory_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const memory_provider *self = (const memory_provider *)(const void *)provider;
    size_t id_len = strlen(self->key_id);
    return bulla_view_is(wrapped->provider, "memory") && wrapped->info.len == id_len + 4 &&
           memcmp(wrapped->info.data, self->key_id, id_len) == 0;
}

static bulla_status memory_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    memory_provider *self = self_of(provider);
    count(&self->counts.describes);
    if (__atomic_load_n(&self->down, __ATOMIC_RELAXED)) return bulla_fail(call, BULLA_EUNAVAIL, "the store is down");
    memcpy(out_info->id, self->key_id, strlen(self->key_id));
    memcpy(out_info->name, self->key_id, strlen(self->key_id));
    out_info->type = BULLA_KEY_AES256_GCM;
    out_info->usage = BULLA_USAGE_WRAP;
    out_info->state = __atomic_load_n(&self->state, __ATOMIC_RELAXED);
    out_info->primary_version = out_info->num_versions = self->num_versions;
    return BULLA_OK;
}

/* info: key id, version u32; blob: nonce, ciphertext, tag. */
static bulla_status seal(memory_provider *self, bulla_call *call, bulla_context *context, bulla_view dek,
                         bulla_wrapped **out_wrapped)
{
    uint8_t info[KEY_ID_MAX + 4], blob[BULLA_NONCE_LEN + BULLA_DEK_MAX + BULLA_TAG_LEN];
    size_t id_len = strlen(self->key_id);
    memcpy(info, self->key_id, id_len);
    bulla_put_u32(info + id_len, self->num_versions);
    BULLA_TRY(bulla_rand(call, blob, BULLA_NONCE_LEN));
    BULLA_TRY(bulla_aead_seal(self->versions[self->num_versions - 1], call, blob, bulla_context_bytes(context), dek,
                              blob + BULLA_NONCE_LEN, blob + BULLA_NONCE_LEN + dek.len));
    return bulla_wrapped_new(call, bulla_view_text("memory"), bulla_view_of(info, id_len + 4),
                             bulla_view_of(blob, BULLA_NONCE_LEN + dek.len + BULLA_TAG_LEN), out_wrapped);
}

static bulla_status open_blob(memory_provider *self, bulla_call *call, bulla_context *context,
                              const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    bulla_view blob = wrapped->blob;
    uint32_t version = bulla_get_u32(wrapped->info.data + wrapped->info.len - 4);
    if (version == 0 || version > self->num_versions) return bulla_fail(call, BULLA_ENOKEY, "no such version");
    if (blob.len < BULLA_NONCE_LEN + BULLA_DEK_MIN + BULLA_TAG_LEN ||
        blob.len > BULLA_NONCE_LEN + BULLA_DEK_MAX + BULLA_TAG_LEN)
        return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key is damaged");
    bulla_view sealed = {blob.data + BULLA_NONCE_LEN, blob.len - BULLA_NONCE_LEN - BULLA_TAG_LEN};
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_secret_new(call, sealed.len, &dek));
    BULLA_TRY(bulla_aead_open(self->versions[version - 1], call, blob.data, bulla_context_bytes(context), sealed,
                              sealed.data + sealed.len, bulla_secret_fill(dek)));
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

static bulla_status memory_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                                bulla_wrapped **out_wrapped)
{
    memory_provider *self = self_of(provider);
    count(&self->counts.wraps);
    BULLA_TRY(key_check(self, call));
    return seal(self, call, context, bulla_secret_borrow(dek), out_wrapped);
}

static bulla_status memory_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                  const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    memory_provider *self = self_of(provider);
    count(&self->counts.unwraps);
    if (self->hook != NULL) self->hook(self->hook_arg);
    BULLA_TRY(key_check(self, call));
    return open_blob(self, call, context, wrapped, out_dek);
}

static bulla_status memory_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                   bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    memory_provider *self = self_of(provider);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    count(&self->counts.datakeys);
    BULLA_TRY(key_check(self, call));
    BULLA_TRY(bulla_secret_random(call, len, &dek));
    BULLA_TRY(seal(self, call, context, bulla_secret_borrow(dek), out_wrapped));
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

static bulla_status memory_rewrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                  const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    memory_provider *self = self_of(provider);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    count(&self->counts.rewraps);
    BULLA_TRY(key_check(self, call));
    BULLA_TRY(open_blob(self, call, context, wrapped, &dek));
    return seal(self, call, context, bulla_secret_borrow(dek), out_wrapped);
}

static bulla_status memory_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    memory_provider *self = self_of(provider);
    count(&self->counts.rotates);
    BULLA_TRY(key_check(self, call));
    BULLA_TRY(version_add(self, call));
    *out_version = self->num_versions;
    return BULLA_OK;
}

static void memory_purge(bulla_provider *provider, const bulla_purge *what)
{
    if (what->wrapped == NULL) count(&self_of(provider)->counts.purges);
}

static void memory_destroy(bulla_provider *provider)
{
    memory_provider *self = self_of(provider);
    for (uint32_t i = 0; i < self->num_versions; i++)
        bulla_aead_unref(self->versions[i]);
    bulla_free(self->env, self);
}

static const bulla_provider_ops memory_ops = {
    .size = sizeof(bulla_provider_ops),
    .name = "memory",
    .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP | BULLA_OP_ROTATE,
    .idempotent = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP,
    .matches = memory_matches,
    .describe = memory_describe,
    .wrap = memory_wrap,
    .unwrap = memory_unwrap,
    .datakey = memory_datakey,
    .rewrap = memory_rewrap,
    .rotate = memory_rotate,
    .purge = memory_purge,
    .destroy = memory_destroy,
};

bulla_status memory_provider_new(bulla_call *call, const char *key_id, uint8_t seed, bulla_provider **out_provider)
{
    void *memory = NULL;
    if (strlen(key_id) >= KEY_ID_MAX) return bulla_fail(call, BULLA_EINVAL, "the id is too long for this fake");
    BULLA_TRY(bulla_alloc(call, sizeof(memory_provider), &memory));
    memory_provider *self = memory;
    self->env = bulla_env_of(call);
    memcpy(self->key_id, key_id, strlen(key_id));
    self->seed = seed;
    self->state = BULLA_KEY_ENABLED;
    bulla_provider_init(&self->base, &memory_ops);
    BULLA_AUTO(bulla_provider) *made = &self->base;
    BULLA_TRY(version_add(self, call));
    *out_provider = BULLA_TAKE(made);
    return BULLA_OK;
}

void memory_provider_state_set(bulla_provider *provider, bulla_key_state state)
{
    __atomic_store_n(&self_of(provider)->state, state, __ATOMIC_RELAXED);
}

void memory_provider_down_set(bulla_provider *provider, bool down)
{
    __atomic_store_n(&self_of(provider)->down, down, __ATOMIC_RELAXED);
}

memory_counts memory_provider_counts(const bulla_provider *provider)
{
    return ((const memory_provider *)(const void *)provider)->counts;
}

void memory_provider_hook_set(bulla_provider *provider, void (*hook)(void *arg), void *arg)
{
    self_of(provider)->hook = hook;
    self_of(provider)->hook_arg = arg;
}
