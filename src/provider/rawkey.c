/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/rawkey.h"

#include "base/bytes.h"
#include "base/mem.h"

static bool starts_with(bulla_view text, const char *prefix)
{
    bulla_view want = bulla_view_text(prefix);
    return text.len >= want.len && memcmp(text.data, prefix, want.len) == 0;
}

bulla_status bulla_rawkey_name_parse(bulla_call *call, const bulla_address *address, const char *space,
                                     const char *name, bulla_rawkey_name *out_name)
{
    bulla_view spaces = bulla_view_text(bulla_address_param(address, "namespace", space));
    bulla_view names = bulla_view_text(bulla_address_param(address, "name", name));
    if (spaces.len == 0 || names.len == 0)
        return bulla_fail(call, BULLA_EINVAL,
                          "%s: a key's namespace and name must not be empty: give name=… in the address",
                          address->scheme);
    if (!bulla_utf8_is(spaces) || !bulla_utf8_is(names))
        return bulla_fail(call, BULLA_EINVAL,
                          "%s: a key's namespace and name must be UTF-8: give name=… in the address", address->scheme);
    /* raw-aes-keyring.md, Key Namespace: "aws-kms" belongs to that service's keyrings; "bulla" is our keystore's. */
    if (starts_with(spaces, "aws-kms") || bulla_view_is(spaces, "bulla"))
        return bulla_fail(call, BULLA_EINVAL, "%s: namespaces \"aws-kms…\" and \"bulla\" are taken: give another",
                          address->scheme);
    *out_name = (bulla_rawkey_name){spaces, names};
    return BULLA_OK;
}

bulla_status bulla_rawkey_new(bulla_call *call, const bulla_provider_ops *ops, size_t size, const char *address,
                              const bulla_rawkey_name *name, bulla_rawkey **out_rawkey)
{
    void *memory = NULL;
    size_t address_len = strlen(address) + 1;
    BULLA_TRY(bulla_alloc(call, size + name->space.len + name->name.len + address_len, &memory));
    bulla_rawkey *rawkey = memory;
    uint8_t *spaces = (uint8_t *)memory + size, *names = spaces + name->space.len;
    char *text = (char *)(names + name->name.len);
    memcpy(spaces, name->space.data, name->space.len);
    memcpy(names, name->name.data, name->name.len);
    memcpy(text, address, address_len);
    rawkey->space = bulla_view_of(spaces, name->space.len);
    rawkey->name = bulla_view_of(names, name->name.len);
    rawkey->address = text;
    rawkey->env = bulla_env_of(call);
    bulla_provider_init(&rawkey->base, ops);
    *out_rawkey = rawkey;
    return BULLA_OK;
}

void bulla_rawkey_free(bulla_rawkey *rawkey)
{
    bulla_free(rawkey->env, rawkey);
}

bulla_status bulla_rawkey_mismatch(const bulla_rawkey *rawkey, bulla_call *call)
{
    return bulla_fail(call, BULLA_EINTEGRITY,
                      "the wrapped data key does not open with %.128s: another key has this name, or the data key or "
                      "its context was altered",
                      rawkey->address);
}

static void copy_text(char *out, size_t cap, bulla_view text)
{
    memcpy(out, text.data, text.len < cap ? text.len : cap - 1); /* `out` is zeroed */
}

bulla_status bulla_rawkey_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    (void)call;
    const bulla_rawkey *self = (const bulla_rawkey *)(const void *)provider;
    copy_text(out_info->id, sizeof out_info->id, self->name);
    copy_text(out_info->name, sizeof out_info->name, bulla_view_text(self->address));
    out_info->type = self->type;
    out_info->usage = BULLA_USAGE_WRAP;
    out_info->state = BULLA_KEY_ENABLED;
    out_info->primary_version = 1;
    out_info->num_versions = 1;
    return BULLA_OK;
}
