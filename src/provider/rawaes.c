/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/rawaes.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/aead.h"
#include "crypto/rand.h"
#include "provider/provider.h"

#define INFO_TAIL (4u + 4u + BULLA_NONCE_LEN) /* after the name: tag length in bits, IV length, IV */
#define INFO_MAX (sizeof((bulla_address *)NULL)->body + INFO_TAIL)

typedef struct rawaes {
    bulla_provider base;
    const bulla_env *env;
    bulla_aead *aead;
    bulla_view space, name; /* into text */
    char *address;
    uint8_t text[];
} rawaes;

static const rawaes *self_of(const bulla_provider *provider)
{
    return (const rawaes *)(const void *)provider;
}

static bool starts_with(bulla_view text, const char *prefix)
{
    bulla_view want = bulla_view_text(prefix);
    return text.len >= want.len && memcmp(text.data, prefix, want.len) == 0;
}

bulla_status bulla_raw_name_parse(bulla_call *call, const bulla_address *address, const char *space, const char *name,
                                  bulla_raw_name *out_name)
{
    bulla_view spaces = bulla_view_text(bulla_address_param(address, "namespace", space));
    bulla_view names = bulla_view_text(bulla_address_param(address, "name", name));
    if (spaces.len == 0 || names.len == 0)
        return bulla_fail(call, BULLA_EINVAL, "%s: a key's namespace and name must not be empty", address->scheme);
    if (!bulla_utf8_is(spaces) || !bulla_utf8_is(names))
        return bulla_fail(call, BULLA_EINVAL,
                          "%s: a key's namespace and name must be UTF-8: give name=… in the address", address->scheme);
    /* raw-aes-keyring.md, Key Namespace: "aws-kms" belongs to the keyrings of that service; "bulla" is our keystore. */
    if (starts_with(spaces, "aws-kms") || bulla_view_is(spaces, "bulla"))
        return bulla_fail(call, BULLA_EINVAL, "%s: namespaces \"aws-kms…\" and \"bulla\" are taken", address->scheme);
    *out_name = (bulla_raw_name){spaces, names};
    return BULLA_OK;
}

void bulla_raw_describe(const char *address, bulla_key_type type, bulla_view name, bulla_key_info *out_info)
{
    size_t id_len = name.len < sizeof out_info->id ? name.len : sizeof out_info->id - 1;
    size_t address_len = strnlen(address, sizeof out_info->name - 1);
    memcpy(out_info->id, name.data, id_len);
    memcpy(out_info->name, address, address_len);
    out_info->type = type;
    out_info->usage = BULLA_USAGE_WRAP;
    out_info->state = BULLA_KEY_ENABLED;
    out_info->primary_version = 1;
    out_info->num_versions = 1;
}

/* raw-aes-keyring.md, Key Provider Information: name, tag length in bits, IV length; the IV follows. */
static bool info_is_ours(const rawaes *self, bulla_view info)
{
    if (info.len != self->name.len + INFO_TAIL || memcmp(info.data, self->name.data, self->name.len) != 0) return false;
    const uint8_t *tail = info.data + self->name.len;
    return bulla_get_u32(tail) == 8 * BULLA_TAG_LEN && bulla_get_u32(tail + 4) == BULLA_NONCE_LEN;
}

static bool rawaes_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    const rawaes *self = self_of(provider);
    return bulla_view_equal(wrapped->provider, self->space) && info_is_ours(self, wrapped->info);
}

static bulla_status rawaes_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    (void)call;
    const rawaes *self = self_of(provider);
    bulla_raw_describe(self->address, BULLA_KEY_AES256_GCM, self->name, out_info);
    return BULLA_OK;
}

static bulla_status rawaes_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                                bulla_wrapped **out_wrapped)
{
    const rawaes *self = self_of(provider);
    bulla_view key = bulla_secret_borrow(dek);
    uint8_t info[INFO_MAX], blob[BULLA_DEK_MAX + BULLA_TAG_LEN], nonce[BULLA_NONCE_LEN];
    BULLA_TRY(bulla_rand(call, nonce, sizeof nonce));
    bulla_writer writer = bulla_writer_of(info, sizeof info);
    bulla_write_view(&writer, self->name);
    bulla_write_u32(&writer, 8 * BULLA_TAG_LEN);
    bulla_write_u32(&writer, BULLA_NONCE_LEN);
    bulla_write_view(&writer, bulla_view_of(nonce, sizeof nonce));
    BULLA_TRY(bulla_aead_seal(self->aead, call, nonce, bulla_context_bytes(context), key, blob, blob + key.len));
    return bulla_wrapped_new(call, self->space, bulla_view_of(info, writer.len),
                             bulla_view_of(blob, key.len + BULLA_TAG_LEN), out_wrapped);
}

static bulla_status rawaes_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                  const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    const rawaes *self = self_of(provider);
    bulla_view blob = wrapped->blob;
    if (blob.len < BULLA_DEK_MIN + BULLA_TAG_LEN || blob.len > BULLA_DEK_MAX + BULLA_TAG_LEN)
        return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key is damaged");
    bulla_view sealed = {blob.data, blob.len - BULLA_TAG_LEN};
    const uint8_t *nonce = wrapped->info.data + wrapped->info.len - BULLA_NONCE_LEN;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_secret_new(call, sealed.len, &dek));
    BULLA_TRY(bulla_aead_open(self->aead, call, nonce, bulla_context_bytes(context), sealed, blob.data + sealed.len,
                              bulla_secret_fill(dek)));
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

static void rawaes_destroy(bulla_provider *provider)
{
    rawaes *self = (rawaes *)(void *)provider;
    bulla_aead_unref(self->aead);
    bulla_free(self->env, self);
}

#define RAWAES_OPS(home)                                                                                               \
    {                                                                                                                  \
        .size = sizeof(bulla_provider_ops), .name = (home),                                                            \
        .can = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP,                                                    \
        .idempotent = BULLA_OP_DESCRIBE | BULLA_OP_WRAP | BULLA_OP_UNWRAP | BULLA_OP_DATAKEY | BULLA_OP_REWRAP,        \
        .matches = rawaes_matches, .describe = rawaes_describe, .wrap = rawaes_wrap, .unwrap = rawaes_unwrap,          \
        .destroy = rawaes_destroy                                                                                      \
    }

static const bulla_provider_ops homes[] = {
    [BULLA_RAWAES_FILE] = RAWAES_OPS("file"),
    [BULLA_RAWAES_ENV] = RAWAES_OPS("env"),
};

bulla_status bulla_rawaes_open(bulla_call *call, bulla_rawaes_home home, const char *text, const bulla_raw_name *name,
                               const bulla_secret *key, bulla_provider **out_provider)
{
    void *memory = NULL;
    size_t text_len = strlen(text), len = name->space.len + name->name.len + text_len + 1;
    BULLA_AUTO(bulla_aead) *aead = NULL;
    BULLA_TRY(bulla_aead_new(call, bulla_secret_borrow(key), &aead));
    BULLA_TRY(bulla_alloc(call, sizeof(rawaes) + len, &memory));
    rawaes *self = memory;
    uint8_t *names = self->text, *address = names + name->space.len + name->name.len;
    memcpy(names, name->space.data, name->space.len);
    memcpy(names + name->space.len, name->name.data, name->name.len);
    memcpy(address, text, text_len + 1);
    self->space = bulla_view_of(names, name->space.len);
    self->name = bulla_view_of(names + name->space.len, name->name.len);
    self->address = (char *)address;
    self->env = bulla_env_of(call);
    self->aead = BULLA_TAKE(aead);
    bulla_provider_init(&self->base, &homes[home]);
    *out_provider = &self->base;
    return BULLA_OK;
}
