/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys on a token. All objects that an address means are versions of one key; CKA_ID, read as a number, counts them,
 * and the highest wraps. Handles are looked for once in an era, and again after a while, since others rotate too.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/pkcs11.h"

#include <stdio.h>
#include <stdlib.h>

#define KNOWN_NS (INT64_C(60) * 1000000000) /* how long a look is good for */

/* --- searching --- */

/* A search stays active on its session until it is ended. */
bulla_status bulla_pkcs11_find(bulla_pkcs11_lease *lease, bulla_call *call, CK_ATTRIBUTE *wanted, CK_ULONG num_wanted,
                               CK_OBJECT_HANDLE *out_found, size_t cap, size_t *out_num)
{
    const CK_FUNCTION_LIST *functions = lease->functions;
    size_t num = 0;
    CK_RV rv = functions->C_FindObjectsInit(lease->session, wanted, num_wanted);
    if (rv != CKR_OK) return bulla_pkcs11_fail(lease, call, "look for keys", rv);
    CK_ULONG got = 1;
    while (rv == CKR_OK && got != 0 && num < cap) {
        rv = functions->C_FindObjects(lease->session, out_found + num, (CK_ULONG)(cap - num), &got);
        num += rv == CKR_OK ? got : 0;
    }
    CK_RV end = functions->C_FindObjectsFinal(lease->session);
    if (rv == CKR_OK) rv = end;
    if (rv != CKR_OK) return bulla_pkcs11_fail(lease, call, "look for keys", rv);
    if (num == cap)
        return bulla_fail(call, BULLA_ELIMIT, "key store \"%s\": %zu or more keys on the token, too many",
                          bulla_pkcs11_store(lease->token), cap);
    *out_num = num;
    return BULLA_OK;
}

static CK_RV attribute_read(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *out,
                            CK_ULONG *len)
{
    CK_ATTRIBUTE attribute = {type, out, *len};
    CK_RV rv = lease->functions->C_GetAttributeValue(lease->session, object, &attribute, 1);
    *len = rv == CKR_OK && attribute.ulValueLen != CK_UNAVAILABLE_INFORMATION ? attribute.ulValueLen : 0;
    return rv;
}

/* A token that is lost under it has not said that the key cannot do this: lease->rv. */
static bool flag_read(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool fallback)
{
    CK_BBOOL value = CK_FALSE;
    CK_ULONG len = sizeof value;
    CK_RV rv = attribute_read(lease, object, type, &value, &len);
    if (bulla_pkcs11_is_loss(rv)) lease->rv = rv;
    return rv == CKR_OK && len == sizeof value ? value != CK_FALSE : fallback;
}

bool bulla_pkcs11_names_read(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE object, char label[BULLA_PKCS11_MAX_LABEL + 1],
                             bulla_pkcs11_version *out_version)
{
    CK_ULONG label_len = BULLA_PKCS11_MAX_LABEL, id_len = sizeof out_version->id;
    CK_RV rv = attribute_read(lease, object, CKA_LABEL, label, &label_len);
    label[label_len] = '\0';
    if (rv == CKR_OK) rv = attribute_read(lease, object, CKA_ID, out_version->id, &id_len);
    out_version->id_len = id_len;
    out_version->handle = object;
    out_version->number = 0;
    for (size_t i = 0; i < id_len && id_len <= 4; i++)
        out_version->number = out_version->number << 8 | out_version->id[i];
    if (rv != CKR_OK) lease->rv = rv;
    return rv == CKR_OK && memchr(label, '\0', label_len) == NULL;
}

/* Bits of bulla_pkcs11_mechanisms. Few tokens know the attribute; without it, or empty, all are allowed. */
static unsigned allowed_read(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE object)
{
    CK_MECHANISM_TYPE types[64];
    CK_ULONG len = sizeof types;
    unsigned allowed = 0;
    CK_RV rv = attribute_read(lease, object, CKA_ALLOWED_MECHANISMS, types, &len);
    if (bulla_pkcs11_is_loss(rv) && !bulla_pkcs11_is_vague(rv)) lease->rv = rv;
    if (rv != CKR_OK || len == 0) return (1u << BULLA_PKCS11_NUM_MECHANISMS) - 1;
    for (size_t i = 0; i < len / sizeof types[0]; i++)
        for (unsigned k = 0; k < BULLA_PKCS11_NUM_MECHANISMS; k++)
            if (types[i] == bulla_pkcs11_mechanisms[k].type) allowed |= 1u << k;
    return allowed;
}

static void abilities_read(bulla_pkcs11_lease *lease, bulla_pkcs11_version *version)
{
    CK_OBJECT_HANDLE object = version->handle;
    CK_ULONG key_len = 0, len = sizeof key_len;
    version->can = 0;
    if (flag_read(lease, object, CKA_ENCRYPT, false) && flag_read(lease, object, CKA_DECRYPT, false))
        version->can |= BULLA_PKCS11_ENCRYPT;
    if (flag_read(lease, object, CKA_WRAP, false) && flag_read(lease, object, CKA_UNWRAP, false))
        version->can |= BULLA_PKCS11_WRAP;
    version->mechanisms = allowed_read(lease, object);
    version->is_loose =
        flag_read(lease, object, CKA_EXTRACTABLE, true) || !flag_read(lease, object, CKA_SENSITIVE, false);
    version->is_local = flag_read(lease, object, CKA_LOCAL, true);
    (void)attribute_read(lease, object, CKA_VALUE_LEN, &key_len, &len);
    version->len = len == sizeof key_len && key_len <= 64 ? (unsigned)key_len : 0;
}

/* --- looking --- */

/* As numbers: leading zeros do not count. */
static int compare(const void *a, const void *b)
{
    const bulla_pkcs11_version *left = a, *right = b;
    bulla_view x = bulla_view_of(left->id, left->id_len), y = bulla_view_of(right->id, right->id_len);
    while (x.len > y.len && x.data[0] == 0)
        x = bulla_view_of(x.data + 1, x.len - 1);
    while (y.len > x.len && y.data[0] == 0)
        y = bulla_view_of(y.data + 1, y.len - 1);
    if (x.len != y.len) return x.len < y.len ? -1 : 1;
    return bulla_view_compare(x, y);
}

static bulla_status objects_find(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease,
                                 CK_OBJECT_HANDLE found[BULLA_PKCS11_MAX_VERSIONS + 1], size_t *out_num)
{
    CK_OBJECT_CLASS class_ = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_BBOOL yes = CK_TRUE;
    char label[BULLA_PKCS11_MAX_LABEL + 1];
    uint8_t id[BULLA_PKCS11_MAX_ID];
    CK_ATTRIBUTE wanted[5] = {
        {CKA_CLASS, &class_, sizeof class_}, {CKA_KEY_TYPE, &type, sizeof type}, {CKA_TOKEN, &yes, sizeof yes}};
    CK_ULONG num = 3;
    memcpy(label, key->uri.object, sizeof label);
    memcpy(id, key->uri.id, sizeof id);
    if (label[0] != '\0') wanted[num++] = (CK_ATTRIBUTE){CKA_LABEL, label, (CK_ULONG)strlen(label)};
    if (key->uri.has_id) wanted[num++] = (CK_ATTRIBUTE){CKA_ID, id, (CK_ULONG)key->uri.id_len};
    return bulla_pkcs11_find(lease, call, wanted, num, found, BULLA_PKCS11_MAX_VERSIONS + 1, out_num);
}

static void warn_once(bulla_pkcs11_key *key, const bulla_pkcs11_look *look)
{
    size_t i = 0;
    while (i < look->num && !look->versions[i].is_loose)
        i++;
    if (i == look->num || __atomic_exchange_n(&key->has_warned, true, __ATOMIC_RELAXED)) return;
    bulla_log(key->env, BULLA_LOG_WARN,
              "key store \"%s\": key \"%.64s\" may leave the token: it is not sensitive, or extractable",
              bulla_pkcs11_store(key->token), look->label);
}

static bulla_status look_fill(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease,
                              bulla_pkcs11_look *look)
{
    CK_OBJECT_HANDLE found[BULLA_PKCS11_MAX_VERSIONS + 1];
    size_t num = 0;
    BULLA_TRY(objects_find(key, call, lease, found, &num));
    for (size_t i = 0; i < num; i++) {
        char label[BULLA_PKCS11_MAX_LABEL + 1];
        bulla_pkcs11_version *version = &look->versions[look->num];
        if (!bulla_pkcs11_names_read(lease, found[i], label, version)) {
            if (bulla_pkcs11_is_loss(lease->rv)) return bulla_pkcs11_fail(lease, call, "show a key", lease->rv);
            continue; /* it has gone since, or is none that we could name */
        }
        if (look->num != 0 && strcmp(look->label, label) != 0)
            return bulla_fail(call, BULLA_ECONFIG,
                              "key store \"%s\": id= means keys \"%.40s\" and \"%.40s\"; add object= to the address",
                              bulla_pkcs11_store(key->token), look->label, label);
        memcpy(look->label, label, sizeof label);
        abilities_read(lease, version);
        if (bulla_pkcs11_is_loss(lease->rv)) return bulla_pkcs11_fail(lease, call, "show a key", lease->rv);
        look->num++;
    }
    qsort(look->versions, look->num, sizeof look->versions[0], compare);
    return BULLA_OK;
}

/* The token was lost since this session was opened, and is back: what the two see is not to be mixed. */
static bulla_status overtaken(bulla_pkcs11_lease *lease, bulla_call *call)
{
    return bulla_pkcs11_fail(lease, call, "serve", CKR_SESSION_CLOSED);
}

bulla_status bulla_pkcs11_look_at(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, bool anew)
{
    int64_t now_ns = key->env->ticks_ns(key->env->arg);
    bulla_pkcs11_look look;
    bulla_pkcs11_lock();
    bool is_fresh = key->seen.era == lease->era && now_ns < key->seen.until_ns;
    bulla_pkcs11_unlock();
    if (is_fresh && !anew) return BULLA_OK;
    memset(&look, 0, sizeof look);
    look.era = lease->era;
    look.until_ns = now_ns + KNOWN_NS;
    BULLA_TRY(look_fill(key, call, lease, &look));
    if (look.num == 0) look.until_ns = now_ns; /* somebody may be making it now */
    bulla_pkcs11_lock();
    bool is_news = key->seen.era <= look.era;
    if (is_news) key->seen = look;
    bulla_pkcs11_unlock();
    if (!is_news) return overtaken(lease, call);
    warn_once(key, &look);
    return BULLA_OK;
}

/* --- choosing --- */

static bulla_status no_key(const bulla_pkcs11_key *key, bulla_call *call)
{
    return bulla_fail(call, BULLA_ENOKEY,
                      "key store \"%s\": there is no AES key \"%.64s\" on the token; bulla kms create makes it",
                      bulla_pkcs11_store(key->token), key->uri.object[0] == '\0' ? "with this id" : key->uri.object);
}

bulla_status bulla_pkcs11_primary(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease,
                                  bulla_pkcs11_pick *out_pick)
{
    bulla_pkcs11_lock();
    bool is_ours = key->seen.era == lease->era;
    size_t num = key->seen.num;
    bulla_pkcs11_pick pick = {.version = key->seen.versions[num == 0 ? 0 : num - 1], .num_versions = num};
    memcpy(pick.label, key->seen.label, sizeof pick.label);
    bool is_twice = num > 1 && compare(&pick.version, &key->seen.versions[num - 2]) == 0;
    bulla_pkcs11_unlock();
    if (!is_ours) return overtaken(lease, call);
    if (num == 0) return no_key(key, call);
    if (is_twice || (num > 1 && pick.version.number == 0))
        return bulla_fail(call, BULLA_ECONFIG,
                          "key store \"%s\": %zu keys are named so and their ids do not count them; add id= to the "
                          "address",
                          bulla_pkcs11_store(key->token), num);
    *out_pick = pick;
    return BULLA_OK;
}

static bool named_find(bulla_pkcs11_key *key, const bulla_pkcs11_lease *lease, const bulla_pkcs11_uri *info,
                       bulla_pkcs11_version *out_version)
{
    bool is_found = false;
    bulla_pkcs11_lock();
    for (size_t i = 0; key->seen.era == lease->era && i < key->seen.num && !is_found; i++) {
        const bulla_pkcs11_version *version = &key->seen.versions[i];
        is_found = bulla_view_equal(bulla_view_of(version->id, version->id_len), bulla_view_of(info->id, info->id_len));
        if (is_found) *out_version = *version;
    }
    bulla_pkcs11_unlock();
    return is_found;
}

bulla_status bulla_pkcs11_named(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease,
                                const bulla_pkcs11_uri *info, bulla_pkcs11_version *out_version)
{
    if (named_find(key, lease, info, out_version)) return BULLA_OK;
    BULLA_TRY(bulla_pkcs11_look_at(key, call, lease, true));
    if (named_find(key, lease, info, out_version)) return BULLA_OK;
    return bulla_fail(call, BULLA_ENOKEY,
                      "key store \"%s\": the version of key \"%.64s\" that wrapped the data key is not on the token",
                      bulla_pkcs11_store(key->token), info->object);
}

/* With a session. The module cannot be interrupted, but between its calls the deadline holds. */
static bulla_status serve(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, bulla_pkcs11_job job,
                          void *arg)
{
    BULLA_TRY(bulla_call_check(call));
    BULLA_TRY(bulla_pkcs11_look_at(key, call, lease, false));
    BULLA_TRY(bulla_call_check(call));
    return job(key, call, lease, arg);
}

/* A call that fails ends its operation (PKCS #11 2.40, 5.8.2), so that its session is as good as before, and with the
 * last one the login would end; but for one answer, and some tokens when they are not well. */
static bool is_spoilt(CK_RV rv)
{
    return rv == CKR_BUFFER_TOO_SMALL || bulla_pkcs11_is_loss(rv);
}

/* What may have had an effect (EUNKNOWN) is not done again. */
static bulla_status run(bulla_pkcs11_key *key, bulla_call *call, bool is_rw, bulla_pkcs11_job job, void *arg)
{
    for (bool again = false;; again = true) {
        bulla_pkcs11_lease lease;
        bulla_status status = bulla_pkcs11_acquire(key->token, call, is_rw, &lease);
        bool has_session = status == BULLA_OK;
        if (has_session) status = serve(key, call, &lease, job, arg);
        bool is_lost = status != BULLA_OK && bulla_pkcs11_is_loss(lease.rv);
        if (has_session && is_lost) bulla_pkcs11_lost(&lease);
        if (has_session) bulla_pkcs11_give_back(&lease, is_spoilt(lease.rv));
        if (!is_lost || again || status == BULLA_EUNKNOWN) return status;
    }
}

bulla_status bulla_pkcs11_run(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_verb verb, bulla_pkcs11_job job,
                              void *arg)
{
    int64_t begun_ns = key->env->ticks_ns(key->env->arg);
    bulla_status status = run(key, call, verb >= BULLA_PKCS11_DO_CREATE, job, arg);
    bulla_metric_observe(key->seconds[verb], key->env->ticks_ns(key->env->arg) - begun_ns);
    return status;
}
