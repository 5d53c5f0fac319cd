/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatcher: the one way to a provider's slots. What goes in and what comes out is checked here, once for every
 * back end; what a back end gets wrong ends here as BULLA_ECONTRACT, and what it gave is dropped.
 */
#include "provider/provider.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"

#define USUAL_DEK_LEN 32u /* bytes of a data key when nobody says how long */

/* A slot is there when the provider was built with it, fills it, and says that it can. */
#define HAS_SLOT(provider, slot)                                                                                       \
    ((provider)->ops->size >= offsetof(bulla_provider_ops, slot) + sizeof(provider)->ops->slot &&                      \
     (provider)->ops->slot != NULL)
#define CAN(provider, bit, slot) ((provider) != NULL && ((provider)->ops->can & (bit)) != 0 && HAS_SLOT(provider, slot))

void bulla_provider_init(bulla_provider *provider, const bulla_provider_ops *ops)
{
    provider->ops = ops;
    provider->refs = 1;
}

bulla_provider *bulla_provider_ref(bulla_provider *provider)
{
    if (provider != NULL) bulla_refs_take(&provider->refs);
    return provider;
}

void bulla_provider_unref(bulla_provider *provider)
{
    if (provider != NULL && bulla_refs_drop(&provider->refs) && HAS_SLOT(provider, destroy))
        provider->ops->destroy(provider);
}

const char *bulla_provider_name(const bulla_provider *provider)
{
    return provider == NULL || provider->ops->name == NULL ? "unnamed" : provider->ops->name;
}

uint32_t bulla_provider_can(const bulla_provider *provider)
{
    return (CAN(provider, BULLA_OP_DESCRIBE, describe) ? BULLA_OP_DESCRIBE : 0) |
           (CAN(provider, BULLA_OP_WRAP, wrap) ? BULLA_OP_WRAP : 0) |
           (CAN(provider, BULLA_OP_UNWRAP, unwrap) ? BULLA_OP_UNWRAP : 0) |
           (CAN(provider, BULLA_OP_DATAKEY, datakey) ? provider->ops->can & (BULLA_OP_DATAKEY | BULLA_OP_DATAKEY_BLIND)
                                                     : 0) |
           (CAN(provider, BULLA_OP_REWRAP, rewrap) ? BULLA_OP_REWRAP : 0) |
           (CAN(provider, BULLA_OP_ROTATE, rotate) ? BULLA_OP_ROTATE : 0) |
           (CAN(provider, BULLA_OP_CHECK, check) ? BULLA_OP_CHECK : 0) |
           (CAN(provider, BULLA_OP_LIST, list) ? BULLA_OP_LIST : 0) |
           (CAN(provider, BULLA_OP_CREATE, create) ? BULLA_OP_CREATE : 0);
}

uint32_t bulla_provider_idempotent(const bulla_provider *provider)
{
    return provider->ops->idempotent;
}

/* Names the culprit, unless a provider further in has named itself. */
static bulla_status blame(const bulla_provider *provider, bulla_call *call, bulla_status status)
{
    const char *name = bulla_provider_name(provider);
    size_t len = strnlen(name, sizeof call->provider - 1);
    if (call->provider[0] != '\0') return status;
    memcpy(call->provider, name, len);
    call->provider[len] = '\0';
    return status;
}

static bulla_status violated(const bulla_provider *provider, bulla_call *call, const char *how)
{
    return blame(provider, call,
                 bulla_fail(call, BULLA_ECONTRACT, "provider \"%s\" %s; report it to its maker",
                            bulla_provider_name(provider), how));
}

/* Before a slot runs. */
static bulla_status begin(const bulla_provider *provider, bulla_call *call, bool can, const char *verb)
{
    if (call == NULL) return BULLA_EINVAL;
    if (provider == NULL) return bulla_fail(call, BULLA_EINVAL, "no provider is given");
    if (!can)
        return blame(provider, call,
                     bulla_fail(call, BULLA_EUNSUPPORTED, "a key of provider \"%s\" cannot %s",
                                bulla_provider_name(provider), verb));
    bulla_status status = bulla_call_check(call);
    if (BULLA_UNLIKELY(status != BULLA_OK)) return blame(provider, call, status);
    call->retry_after_ms = 0;
    call->attempts = 0;      /* whoever counts says so when it returns */
    call->status = BULLA_OK; /* so that settle can tell this slot's failure from an older one */
    return BULLA_OK;
}

/* After a slot ran: a failure has its sentence and its provider's name. */
static bulla_status settle(const bulla_provider *provider, bulla_call *call, bulla_status status)
{
    if (BULLA_LIKELY(status == BULLA_OK)) return BULLA_OK;
    if ((unsigned)status > BULLA_EINTERNAL) return violated(provider, call, "returned an unknown status");
    if (call->status != status) (void)bulla_fail(call, status, "%s", bulla_status_text(status));
    return blame(provider, call, status);
}

static bulla_status dek_len_check(bulla_call *call, size_t len)
{
    if (len >= BULLA_DEK_MIN && len <= BULLA_DEK_MAX) return BULLA_OK;
    return bulla_fail(call, BULLA_EINVAL, "a data key has %u to %u bytes, not %zu", BULLA_DEK_MIN, BULLA_DEK_MAX, len);
}

/* `len` 0 stands for any length a data key may have. */
static bulla_status dek_result_check(const bulla_provider *provider, bulla_call *call, const bulla_secret *dek,
                                     size_t len)
{
    if (dek == NULL) return violated(provider, call, "said ok but gave no key");
    size_t have = bulla_secret_borrow(dek).len;
    if (len == 0 ? have < BULLA_DEK_MIN || have > BULLA_DEK_MAX : have != len)
        return violated(provider, call, "said ok but gave a key of a wrong length");
    return BULLA_OK;
}

static bulla_status wrapped_result_check(const bulla_provider *provider, bulla_call *call, const bulla_wrapped *wrapped)
{
    if (wrapped == NULL) return violated(provider, call, "said ok but gave no wrapped key");
    if ((wrapped->provider.len | wrapped->info.len | wrapped->blob.len) > BULLA_WRAPPED_PART_MAX)
        return violated(provider, call, "gave a wrapped key that is too long");
    if (wrapped->provider.len == 0 || !bulla_utf8_is(wrapped->provider))
        return violated(provider, call, "gave a wrapped key without a provider name");
    if (wrapped->blob.len == 0) return violated(provider, call, "gave an empty wrapped key");
    if (CAN(provider, BULLA_OP_UNWRAP, unwrap) && !bulla_provider_matches(provider, wrapped))
        return violated(provider, call, "gave a wrapped key that is not its own");
    return BULLA_OK;
}

bool bulla_provider_matches(const bulla_provider *provider, const bulla_wrapped *wrapped)
{
    return provider != NULL && wrapped != NULL && HAS_SLOT(provider, matches) &&
           provider->ops->matches(provider, wrapped);
}

static bool text_is_terminated(const char *text, size_t cap)
{
    return memchr(text, '\0', cap) != NULL;
}

static bulla_status info_result_check(const bulla_provider *provider, bulla_call *call, const bulla_key_info *info)
{
    if (!text_is_terminated(info->id, sizeof info->id) || !text_is_terminated(info->name, sizeof info->name))
        return violated(provider, call, "described its key in text without an end");
    if ((unsigned)info->type > BULLA_KEY_RSA || (unsigned)info->usage > BULLA_USAGE_MAC ||
        (unsigned)info->state > BULLA_KEY_DESTROYED)
        return violated(provider, call, "described its key with an unknown type, usage or state");
    return BULLA_OK;
}

bulla_status bulla_provider_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    BULLA_TRY(begin(provider, call, CAN(provider, BULLA_OP_DESCRIBE, describe), "be described"));
    bulla_key_info info;
    memset(&info, 0, sizeof info);
    BULLA_TRY(settle(provider, call, provider->ops->describe(provider, call, &info)));
    BULLA_TRY(info_result_check(provider, call, &info));
    *out_info = info;
    return BULLA_OK;
}

bulla_status bulla_provider_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                                 bulla_wrapped **out_wrapped)
{
    BULLA_TRY(begin(provider, call, CAN(provider, BULLA_OP_WRAP, wrap), "wrap"));
    BULLA_TRY(dek_len_check(call, bulla_secret_borrow(dek).len));
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    BULLA_TRY(settle(provider, call, provider->ops->wrap(provider, call, context, dek, &wrapped)));
    BULLA_TRY(wrapped_result_check(provider, call, wrapped));
    *out_wrapped = BULLA_TAKE(wrapped);
    return BULLA_OK;
}

static bulla_status wrapped_argument_check(const bulla_provider *provider, bulla_call *call,
                                           const bulla_wrapped *wrapped)
{
    BULLA_TRY(bulla_wrapped_check(call, wrapped));
    if (BULLA_LIKELY(bulla_provider_matches(provider, wrapped))) return BULLA_OK;
    return blame(provider, call, bulla_fail(call, BULLA_ENOKEY, "the data key was not wrapped by this key"));
}

bulla_status bulla_provider_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                   const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    BULLA_TRY(begin(provider, call, CAN(provider, BULLA_OP_UNWRAP, unwrap), "unwrap"));
    BULLA_TRY(wrapped_argument_check(provider, call, wrapped));
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(settle(provider, call, provider->ops->unwrap(provider, call, context, wrapped, &dek)));
    BULLA_TRY(dek_result_check(provider, call, dek, 0));
    *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

/* For a store without the operation: drawn here, wrapped there. */
static bulla_status draw_and_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                  bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_secret_random(call, len, &dek));
    BULLA_TRY(bulla_provider_wrap(provider, call, context, dek, out_wrapped));
    if (out_dek != NULL) *out_dek = BULLA_TAKE(dek);
    return BULLA_OK;
}

/* By the slot. Not to everyone it may be said that the key is not wanted, or that any length will do. */
static bulla_status make_there(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                               bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    bool is_blind = out_dek == NULL && (provider->ops->can & BULLA_OP_DATAKEY_BLIND) != 0;
    BULLA_TRY(
        settle(provider, call, provider->ops->datakey(provider, call, context, len, is_blind ? NULL : &dek, &wrapped)));
    if (!is_blind) BULLA_TRY(dek_result_check(provider, call, dek, len));
    BULLA_TRY(wrapped_result_check(provider, call, wrapped));
    if (out_dek != NULL) *out_dek = BULLA_TAKE(dek);
    *out_wrapped = BULLA_TAKE(wrapped);
    return BULLA_OK;
}

bulla_status bulla_provider_datakey(bulla_provider *provider, bulla_call *call, bulla_context *context, size_t len,
                                    bulla_secret **out_dek, bulla_wrapped **out_wrapped)
{
    bool has_slot = CAN(provider, BULLA_OP_DATAKEY, datakey);
    BULLA_TRY(begin(provider, call, has_slot || CAN(provider, BULLA_OP_WRAP, wrap), "make data keys"));
    bool may_choose = has_slot && (provider->ops->can & BULLA_OP_DATAKEY_BLIND) != 0;
    if (len == 0 && !may_choose) len = USUAL_DEK_LEN;
    if (len != 0) BULLA_TRY(dek_len_check(call, len));
    return has_slot ? make_there(provider, call, context, len, out_dek, out_wrapped)
                    : draw_and_wrap(provider, call, context, len, out_dek, out_wrapped);
}

static bulla_status unwrap_and_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                    const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_provider_unwrap(provider, call, context, wrapped, &dek));
    return bulla_provider_wrap(provider, call, context, dek, out_wrapped);
}

bulla_status bulla_provider_rewrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                   const bulla_wrapped *wrapped, bulla_wrapped **out_wrapped)
{
    bool has_slot = CAN(provider, BULLA_OP_REWRAP, rewrap);
    bool has_both = CAN(provider, BULLA_OP_UNWRAP, unwrap) && CAN(provider, BULLA_OP_WRAP, wrap);
    BULLA_TRY(begin(provider, call, has_slot || has_both, "rewrap"));
    BULLA_TRY(wrapped_argument_check(provider, call, wrapped));
    if (!has_slot) return unwrap_and_wrap(provider, call, context, wrapped, out_wrapped);
    BULLA_AUTO(bulla_wrapped) *made = NULL;
    BULLA_TRY(settle(provider, call, provider->ops->rewrap(provider, call, context, wrapped, &made)));
    BULLA_TRY(wrapped_result_check(provider, call, made));
    *out_wrapped = BULLA_TAKE(made);
    return BULLA_OK;
}

bulla_status bulla_provider_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    BULLA_TRY(begin(provider, call, CAN(provider, BULLA_OP_ROTATE, rotate), "be rotated from here"));
    uint32_t version = 0;
    BULLA_TRY(settle(provider, call, provider->ops->rotate(provider, call, &version)));
    if (version == 0) return violated(provider, call, "rotated its key but gave no version");
    *out_version = version;
    return BULLA_OK;
}

bulla_status bulla_provider_create(bulla_provider *provider, bulla_call *call)
{
    BULLA_TRY(begin(provider, call, CAN(provider, BULLA_OP_CREATE, create), "be created from here"));
    return settle(provider, call, provider->ops->create(provider, call));
}

bulla_status bulla_provider_check(bulla_provider *provider, bulla_call *call)
{
    bulla_key_info info;
    if (!CAN(provider, BULLA_OP_CHECK, check)) return bulla_provider_describe(provider, call, &info);
    BULLA_TRY(begin(provider, call, true, "be checked"));
    return settle(provider, call, provider->ops->check(provider, call));
}

bulla_status bulla_provider_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg)
{
    BULLA_TRY(begin(provider, call, CAN(provider, BULLA_OP_LIST, list), "list its store's keys"));
    if (visit == NULL) return bulla_fail(call, BULLA_EINVAL, "nobody is there to see the keys");
    return settle(provider, call, provider->ops->list(provider, call, visit, arg));
}

void bulla_provider_pass_purge(bulla_provider *inner, const bulla_purge *what)
{
    if (inner == NULL || !HAS_SLOT(inner, purge)) return;
    if (what->wrapped == NULL || bulla_provider_matches(inner, what->wrapped)) inner->ops->purge(inner, what);
}

void bulla_provider_purge(bulla_provider *provider, bulla_view key_id)
{
    bulla_provider_pass_purge(provider, &(bulla_purge){.key_id = key_id});
}

void bulla_provider_forget(bulla_provider *provider, bulla_context *context, const bulla_wrapped *wrapped)
{
    if (wrapped != NULL) bulla_provider_pass_purge(provider, &(bulla_purge){.wrapped = wrapped, .context = context});
}
