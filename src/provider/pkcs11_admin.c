/* SPDX-License-Identifier: Apache-2.0 */
/* Keys on a token besides wrapping: described, created, rotated, listed; and whether the token would serve. */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/pkcs11.h"

#include <stdio.h>

#define MAX_LISTED 10000u
#define KEY_LEN 32u

static bulla_pkcs11_key *self_of(bulla_provider *provider)
{
    return (bulla_pkcs11_key *)(void *)provider;
}

/* A key without a counter is its own first version. */
static uint32_t number_of(const bulla_pkcs11_version *version)
{
    return version->number == 0 ? 1 : version->number;
}

static void info_fill(const bulla_pkcs11_version *version, const char *label, bulla_key_info *out_info)
{
    char id[2 * BULLA_PKCS11_MAX_ID + 1] = "";
    bulla_hex_encode(bulla_view_of(version->id, version->id_len), id);
    (void)snprintf(out_info->id, sizeof out_info->id, "%.39s", id);
    (void)snprintf(out_info->name, sizeof out_info->name, "%s", label);
    out_info->type = version->len == KEY_LEN ? BULLA_KEY_AES256_GCM : BULLA_KEY_UNKNOWN;
    out_info->usage = BULLA_USAGE_WRAP;
    out_info->state = BULLA_KEY_ENABLED;
    out_info->primary_version = number_of(version);
    out_info->imported = !version->is_local;
}

static bulla_status describe_run(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, void *arg)
{
    bulla_pkcs11_pick primary;
    bulla_key_info *out_info = arg;
    BULLA_TRY(bulla_pkcs11_look_at(key, call, lease, true));
    BULLA_TRY(bulla_pkcs11_primary(key, call, lease, &primary));
    out_info->num_versions = (uint32_t)primary.num_versions;
    info_fill(&primary.version, primary.label, out_info);
    return BULLA_OK;
}

bulla_status bulla_pkcs11_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    return bulla_pkcs11_run(self_of(provider), call, BULLA_PKCS11_DO_DESCRIBE, describe_run, out_info);
}

static bulla_status check_run(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, void *arg)
{
    CK_SESSION_INFO session;
    (void)key;
    (void)arg;
    CK_RV rv = lease->functions->C_GetSessionInfo(lease->session, &session);
    return rv == CKR_OK ? BULLA_OK : bulla_pkcs11_fail(lease, call, "serve", rv);
}

bulla_status bulla_pkcs11_check(bulla_provider *provider, bulla_call *call)
{
    return bulla_pkcs11_run(self_of(provider), call, BULLA_PKCS11_DO_CHECK, check_run, NULL);
}

/* --- making keys --- */

typedef struct birth {
    uint8_t id[BULLA_PKCS11_MAX_ID];
    size_t id_len;
    unsigned can; /* what the key may be used for */
    char label[BULLA_PKCS11_MAX_LABEL + 1];
} birth;

/* The least that the token's mechanisms need: a key that both wraps and decrypts shows other keys to whoever holds the
 * PIN. */
static bulla_status use_choose(bulla_pkcs11_lease *lease, bulla_call *call, birth *of)
{
    bulla_pkcs11_version any = {.can = BULLA_PKCS11_ENCRYPT | BULLA_PKCS11_WRAP, .mechanisms = ~0u};
    bulla_pkcs11_way way;
    BULLA_TRY(bulla_pkcs11_way_find(lease, call, &any, ~0u, &way));
    of->can = way.by_wrapping ? BULLA_PKCS11_WRAP : BULLA_PKCS11_ENCRYPT;
    return BULLA_OK;
}

/* Sensitive, not extractable, on the token. An answer that was lost leaves the outcome unknown. */
static bulla_status generate(bulla_pkcs11_lease *lease, bulla_call *call, birth *of, CK_OBJECT_HANDLE *out_object)
{
    CK_OBJECT_CLASS class_ = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ULONG len = KEY_LEN;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_BBOOL ciphers = (of->can & BULLA_PKCS11_ENCRYPT) != 0, wraps = (of->can & BULLA_PKCS11_WRAP) != 0;
    CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
    CK_ATTRIBUTE what[] = {
        {CKA_CLASS, &class_, sizeof class_},     {CKA_KEY_TYPE, &type, sizeof type},
        {CKA_VALUE_LEN, &len, sizeof len},       {CKA_TOKEN, &yes, sizeof yes},
        {CKA_PRIVATE, &yes, sizeof yes},         {CKA_SENSITIVE, &yes, sizeof yes},
        {CKA_EXTRACTABLE, &no, sizeof no},       {CKA_ENCRYPT, &ciphers, sizeof ciphers},
        {CKA_DECRYPT, &ciphers, sizeof ciphers}, {CKA_WRAP, &wraps, sizeof wraps},
        {CKA_UNWRAP, &wraps, sizeof wraps},      {CKA_LABEL, of->label, (CK_ULONG)strlen(of->label)},
        {CKA_ID, of->id, (CK_ULONG)of->id_len},
    };
    CK_RV rv = lease->functions->C_GenerateKey(lease->session, &mechanism, what, BULLA_LEN(what), out_object);
    if (rv == CKR_OK) return BULLA_OK;
    bulla_status status = bulla_pkcs11_fail(lease, call, "make a key", rv);
    if (!bulla_pkcs11_is_loss(rv) && status != BULLA_EUNAVAIL) return status;
    char name[32];
    return bulla_fail(call, BULLA_EUNKNOWN, "key store \"%s\": the token may have made a key, and then was lost: %s",
                      bulla_pkcs11_store(lease->token), bulla_pkcs11_name(rv, name));
}

/* Two that counted at the same time have made the same version: then there is none. */
static bulla_status only_one_check(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease,
                                   CK_OBJECT_HANDLE object)
{
    bulla_pkcs11_pick primary;
    BULLA_TRY(bulla_pkcs11_look_at(key, call, lease, true));
    bulla_status status = bulla_pkcs11_primary(key, call, lease, &primary);
    if (status != BULLA_ECONFIG) return status;
    (void)lease->functions->C_DestroyObject(lease->session, object);
    return bulla_fail(call, BULLA_EBUSY, "key store \"%s\": somebody else made a version of the key at the same time",
                      bulla_pkcs11_store(lease->token));
}

/* After it was made, what fails is not worth a second key. */
static bulla_status bear(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, birth *of)
{
    CK_OBJECT_HANDLE object = 0;
    BULLA_TRY(generate(lease, call, of, &object));
    bulla_status status = only_one_check(key, call, lease, object);
    if (status == BULLA_OK || status == BULLA_EBUSY) return status;
    return bulla_fail(call, BULLA_EUNKNOWN, "key store \"%s\": the token made a key, and then was lost",
                      bulla_pkcs11_store(lease->token));
}

static bulla_status create_run(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, void *arg)
{
    birth of = {.id = {1}, .id_len = 1};
    (void)arg;
    BULLA_TRY(bulla_pkcs11_look_at(key, call, lease, true));
    bulla_pkcs11_lock();
    size_t num = key->seen.num;
    bulla_pkcs11_unlock();
    if (num != 0)
        return bulla_fail(call, BULLA_EEXISTS, "key store \"%s\": there is a key \"%.64s\" on the token already",
                          bulla_pkcs11_store(key->token), key->uri.object);
    if (key->uri.has_id) {
        memcpy(of.id, key->uri.id, sizeof of.id);
        of.id_len = key->uri.id_len;
    }
    memcpy(of.label, key->uri.object, sizeof of.label);
    BULLA_TRY(use_choose(lease, call, &of));
    return bear(key, call, lease, &of);
}

bulla_status bulla_pkcs11_create(bulla_provider *provider, bulla_call *call)
{
    bulla_pkcs11_key *self = self_of(provider);
    if (self->uri.object[0] == '\0')
        return bulla_fail(call, BULLA_EINVAL, "pkcs11: a new key needs a name: object= in the address");
    return bulla_pkcs11_run(self, call, BULLA_PKCS11_DO_CREATE, create_run, NULL);
}

/* The next number in as many bytes; one more where they are full. */
static void id_count(const bulla_pkcs11_version *last, birth *of)
{
    uint32_t next = last->number + 1;
    of->id_len = last->id_len;
    if (of->id_len < 4 && next >> (8 * of->id_len) != 0) of->id_len++;
    for (size_t i = 0; i < of->id_len; i++)
        of->id[i] = (uint8_t)(next >> (8 * (of->id_len - 1 - i)));
}

static bulla_status rotate_run(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, void *arg)
{
    bulla_pkcs11_pick last;
    birth of = {.id_len = 0};
    uint32_t *out_version = arg;
    BULLA_TRY(bulla_pkcs11_look_at(key, call, lease, true));
    BULLA_TRY(bulla_pkcs11_primary(key, call, lease, &last));
    if (last.version.number == 0 || last.version.number == UINT32_MAX)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "key store \"%s\": the key's CKA_ID is no number of 1 to 4 bytes, which counts versions",
                          bulla_pkcs11_store(key->token));
    if (last.num_versions == BULLA_PKCS11_MAX_VERSIONS)
        return bulla_fail(call, BULLA_ELIMIT,
                          "key store \"%s\": the key has %zu versions, as many as can be; remove some",
                          bulla_pkcs11_store(key->token), last.num_versions);
    of.can = last.version.can;
    memcpy(of.label, last.label, sizeof of.label);
    id_count(&last.version, &of);
    BULLA_TRY(bear(key, call, lease, &of));
    *out_version = last.version.number + 1;
    return BULLA_OK;
}

bulla_status bulla_pkcs11_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    bulla_pkcs11_key *self = self_of(provider);
    if (self->uri.has_id)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "pkcs11: the address means one version of a key, by id=; leave that out to rotate the key");
    return bulla_pkcs11_run(self, call, BULLA_PKCS11_DO_ROTATE, rotate_run, out_version);
}

/* --- listing --- */

typedef struct listed {
    char label[BULLA_PKCS11_MAX_LABEL + 1];
    bulla_pkcs11_version version;
} listed;

/* All are read before the first is shown: the visitor may want the session. */
typedef struct listing {
    const bulla_env *env;
    CK_OBJECT_HANDLE *found;
    listed *keys;
    size_t num;
} listing;

static void listing_done(listing *all)
{
    bulla_free(all->env, all->found);
    bulla_free(all->env, all->keys);
}

static bulla_status list_run(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, void *arg)
{
    listing *all = arg;
    CK_OBJECT_CLASS class_ = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class_, sizeof class_}, {CKA_KEY_TYPE, &type, sizeof type}};
    size_t num = 0;
    void *memory = NULL;
    (void)key;
    BULLA_TRY(bulla_pkcs11_find(lease, call, wanted, BULLA_LEN(wanted), all->found, MAX_LISTED + 1, &num));
    BULLA_TRY(bulla_alloc(call, num * sizeof *all->keys, &memory));
    bulla_free(all->env, all->keys);
    all->keys = memory;
    all->num = 0;
    for (size_t i = 0; i < num; i++) {
        listed *next = &all->keys[all->num];
        if (bulla_pkcs11_names_read(lease, all->found[i], next->label, &next->version))
            all->num++;
        else if (bulla_pkcs11_is_loss(lease->rv)) /* not a key without a name: half a list would pass for all */
            return bulla_pkcs11_fail(lease, call, "show a key", lease->rv);
    }
    return BULLA_OK;
}

static bulla_status list_show(const bulla_pkcs11_key *key, bulla_call *call, const listed *one,
                              bulla_provider_visit visit, void *arg)
{
    char address[BULLA_MAX_ADDRESS + 1];
    bulla_key_info info;
    bulla_pkcs11_uri uri = key->uri;
    memset(&info, 0, sizeof info);
    info_fill(&one->version, one->label, &info);
    info.type = BULLA_KEY_UNKNOWN;
    info.state = BULLA_KEY_STATE_UNKNOWN;
    memcpy(uri.object, one->label, sizeof uri.object);
    memcpy(uri.id, one->version.id, sizeof uri.id);
    uri.id_len = one->version.id_len;
    uri.has_id = uri.id_len != 0;
    BULLA_TRY(bulla_pkcs11_uri_format(call, &uri, address, sizeof address));
    return visit(arg, call, address, &info);
}

bulla_status bulla_pkcs11_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg)
{
    bulla_pkcs11_key *self = self_of(provider);
    __attribute__((cleanup(listing_done))) listing all = {.env = self->env};
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, (MAX_LISTED + 1) * sizeof *all.found, &memory));
    all.found = memory;
    BULLA_TRY(bulla_pkcs11_run(self, call, BULLA_PKCS11_DO_LIST, list_run, &all));
    for (size_t i = 0; i < all.num; i++)
        BULLA_TRY(list_show(self, call, &all.keys[i], visit, arg));
    return BULLA_OK;
}
