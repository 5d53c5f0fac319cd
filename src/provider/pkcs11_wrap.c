/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How data keys are wrapped by a token (spec/wrapped.md). With AES-GCM the token seals the data key itself and binds
 * the context; with AES key wrap, which has no place for one, it wraps an inner key (innerwrap.h).
 */
#include "base/bytes.h"
#include "base/context.h"
#include "crypto/rand.h"
#include "provider/innerwrap.h"
#include "provider/pkcs11.h"

#define PROVIDER "pkcs11"
#define GCM_VERSION 0x02u /* of a blob; 0x01 is an inner wrap */
#define HEAD_LEN (1u + BULLA_PKCS11_IV_LEN)
#define TAG_LEN 16u

static bulla_pkcs11_key *self_of(bulla_provider *provider)
{
    return (bulla_pkcs11_key *)(void *)provider;
}

static bulla_status damaged(bulla_call *call)
{
    return bulla_fail(call, BULLA_EINTEGRITY, "the wrapped data key is damaged, or not for this context");
}

/* --- wrapping --- */

typedef struct wrap_job {
    bulla_context *context;
    bulla_secret *dek;
    bulla_wrapped **out;
} wrap_job;

/* Not secret, but of a size of one's choice, and with an end. */
static bulla_status aad_new(bulla_call *call, bulla_view info, bulla_context *context, bulla_secret **out_aad)
{
    bulla_view pairs = bulla_context_bytes(context), provider = bulla_view_text(PROVIDER);
    size_t len = 1 + 2 * sizeof(uint16_t) + provider.len + info.len + pairs.len;
    BULLA_AUTO(bulla_secret) *aad = NULL;
    BULLA_TRY(bulla_secret_new(call, len, &aad));
    bulla_writer writer = bulla_writer_of(bulla_secret_fill(aad), len);
    bulla_write_u8(&writer, GCM_VERSION);
    bulla_write_view16(&writer, provider);
    bulla_write_view16(&writer, info);
    bulla_write_view(&writer, pairs);
    if (writer.failed) return bulla_fail(call, BULLA_ELIMIT, "a part of the wrapped data key is over 65,535 bytes");
    *out_aad = BULLA_TAKE(aad);
    return BULLA_OK;
}

static bool wants_own_iv(CK_RV rv)
{
    return rv == CKR_MECHANISM_PARAM_INVALID || rv == CKR_ARGUMENTS_BAD || rv == CKR_DATA_INVALID;
}

/* Tokens in FIPS mode take no IV but zeros, and put their own in its place (pkcs11_cipher.c looks that they do). */
static bulla_status gcm_wrap(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease,
                             CK_OBJECT_HANDLE handle, bulla_view info, const wrap_job *job)
{
    BULLA_AUTO(bulla_secret) *aad = NULL;
    uint8_t blob[HEAD_LEN + BULLA_PKCS11_MAX_SEALED] = {GCM_VERSION};
    bulla_view dek = bulla_secret_borrow(job->dek);
    CK_RV rv = CKR_MECHANISM_PARAM_INVALID;
    BULLA_TRY(aad_new(call, info, job->context, &aad));
    if (!__atomic_load_n(&key->token_makes_ivs, __ATOMIC_RELAXED)) {
        BULLA_TRY(bulla_rand(call, blob + 1, BULLA_PKCS11_IV_LEN));
        rv = bulla_pkcs11_gcm_seal(lease, handle, blob + 1, aad, dek, blob + HEAD_LEN);
    }
    if (wants_own_iv(rv)) {
        memset(blob + 1, 0, BULLA_PKCS11_IV_LEN);
        rv = bulla_pkcs11_gcm_seal(lease, handle, blob + 1, aad, dek, blob + HEAD_LEN);
        if (rv == CKR_OK) __atomic_store_n(&key->token_makes_ivs, true, __ATOMIC_RELAXED);
    }
    if (rv != CKR_OK) return bulla_pkcs11_fail(lease, call, "wrap", rv);
    return bulla_wrapped_new(call, bulla_view_text(PROVIDER), info, bulla_view_of(blob, HEAD_LEN + dek.len + TAG_LEN),
                             job->out);
}

static bulla_status kw_wrap(bulla_call *call, bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE handle,
                            const bulla_pkcs11_way *way, bulla_view info, const wrap_job *job)
{
    BULLA_AUTO(bulla_secret) *inner = NULL;
    uint8_t outer[1 + BULLA_PKCS11_MAX_OUTER] = {bulla_pkcs11_mechanisms[way->index].code};
    size_t len = 0;
    const bulla_innerwrap_site site = {bulla_view_text(PROVIDER), info, job->context};
    BULLA_TRY(bulla_secret_random(call, BULLA_INNERWRAP_KEY_LEN, &inner));
    CK_RV rv = bulla_pkcs11_kw_wrap(lease, handle, way, bulla_secret_borrow(inner), outer + 1, &len);
    if (rv != CKR_OK) return bulla_pkcs11_fail(lease, call, "wrap", rv);
    return bulla_innerwrap_seal(call, &site, inner, bulla_view_of(outer, 1 + len), job->dek, job->out);
}

static void info_write(const bulla_pkcs11_lease *lease, const bulla_pkcs11_pick *primary,
                       char out[BULLA_PKCS11_MAX_INFO])
{
    bulla_pkcs11_uri uri;
    memset(&uri, 0, sizeof uri);
    memcpy(uri.serial, lease->serial, sizeof uri.serial);
    memcpy(uri.object, primary->label, sizeof uri.object);
    memcpy(uri.id, primary->version.id, primary->version.id_len);
    uri.id_len = primary->version.id_len;
    uri.has_id = uri.id_len != 0;
    bulla_pkcs11_info_format(&uri, out);
}

static bulla_status wrap_run(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, void *arg)
{
    const wrap_job *job = arg;
    bulla_pkcs11_pick primary;
    bulla_pkcs11_way way;
    char info[BULLA_PKCS11_MAX_INFO];
    BULLA_TRY(bulla_pkcs11_primary(key, call, lease, &primary));
    BULLA_TRY(bulla_pkcs11_way_find(lease, call, &primary.version, ~0u, &way));
    info_write(lease, &primary, info);
    CK_OBJECT_HANDLE handle = primary.version.handle;
    if (way.index == BULLA_PKCS11_GCM) return gcm_wrap(key, call, lease, handle, bulla_view_text(info), job);
    return kw_wrap(call, lease, handle, &way, bulla_view_text(info), job);
}

bulla_status bulla_pkcs11_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped)
{
    wrap_job job = {context, dek, out_wrapped};
    return bulla_pkcs11_run(self_of(provider), call, BULLA_PKCS11_DO_WRAP, wrap_run, &job);
}

/* --- unwrapping --- */

typedef struct unwrap_job {
    bulla_context *context;
    const bulla_wrapped *wrapped;
    bulla_pkcs11_uri info;
    bulla_secret **out;
} unwrap_job;

/* What is to be opened, and how. */
typedef struct opening {
    CK_OBJECT_HANDLE handle;
    bulla_pkcs11_way way;
    bulla_view iv, sealed; /* key wrap has no IV */
    bulla_secret *aad;
    size_t len; /* of what comes out; key wrap: 32 */
} opening;

static CK_RV open_once(bulla_pkcs11_lease *lease, const opening *what, uint8_t *out)
{
    if (what->way.index != BULLA_PKCS11_GCM)
        return bulla_pkcs11_kw_unwrap(lease, what->handle, &what->way, what->sealed, out);
    return bulla_pkcs11_gcm_open(lease, what->handle, what->iv, what->aad, what->sealed, out, what->len);
}

/* Bytes of nobody, wrapped as data keys are. */
typedef struct trial {
    bulla_secret *aad;
    uint8_t iv[BULLA_PKCS11_IV_LEN], out[BULLA_PKCS11_MAX_SEALED];
    size_t len; /* of out */
} trial;

static CK_RV trial_wrap(bulla_pkcs11_lease *lease, const opening *like, bulla_view plain, trial *of)
{
    if (like->way.index != BULLA_PKCS11_GCM)
        return bulla_pkcs11_kw_wrap(lease, like->handle, &like->way, plain, of->out, &of->len);
    of->len = plain.len + TAG_LEN;
    CK_RV rv = bulla_pkcs11_gcm_seal(lease, like->handle, of->iv, of->aad, plain, of->out);
    if (!wants_own_iv(rv)) return rv;
    memset(of->iv, 0, sizeof of->iv);
    return bulla_pkcs11_gcm_seal(lease, like->handle, of->iv, of->aad, plain, of->out);
}

/* Whether token and key still do what they should: the same bytes come back. */
static bool is_well(bulla_pkcs11_lease *lease, bulla_call *call, const opening *like)
{
    BULLA_WIPED(uint8_t, given, 32);
    BULLA_WIPED(uint8_t, back, 32);
    BULLA_AUTO(bulla_secret) *aad = NULL;
    if (bulla_secret_new(call, 1, &aad) != BULLA_OK) return false;
    trial of = {.aad = aad};
    if (bulla_rand(call, given, sizeof given) != BULLA_OK || bulla_rand(call, of.iv, sizeof of.iv) != BULLA_OK)
        return false;
    if (trial_wrap(lease, like, bulla_view_of(given, sizeof given), &of) != CKR_OK) return false;
    const opening own = {.handle = like->handle,
                         .way = like->way,
                         .iv = bulla_view_of(of.iv, sizeof of.iv),
                         .sealed = bulla_view_of(of.out, of.len),
                         .aad = aad,
                         .len = sizeof given};
    return open_once(lease, &own, back) == CKR_OK && memcmp(given, back, sizeof given) == 0;
}

static bool says_damage(CK_RV rv)
{
    return bulla_pkcs11_status(rv) == BULLA_EINTEGRITY || rv == CKR_DATA_INVALID || rv == CKR_DATA_LEN_RANGE;
}

/* Tokens say all sorts of things of a wrong tag, and some of them of an outage, too. */
static bool is_doubtful(CK_RV rv)
{
    return bulla_pkcs11_is_vague(rv) || bulla_pkcs11_status(rv) == BULLA_EUNSUPPORTED;
}

/* What may be damage or an outage: a trial decides, and when that goes well, the same once more. On a session of its
 * own, where the token has one, which the request keeps: an operation may still be active on the first. */
static CK_RV open_again(bulla_pkcs11_lease *lease, bulla_call *call, const opening *what, CK_RV rv, uint8_t *out)
{
    bulla_pkcs11_lease second = *lease;
    const CK_FUNCTION_LIST *functions = lease->functions;
    bool has_own = functions->C_OpenSession(lease->slot, CKF_SERIAL_SESSION, NULL, NULL, &second.session) == CKR_OK;
    if (!has_own) second.session = lease->session;
    bool well = is_well(&second, call, what);
    if (has_own) (void)functions->C_CloseSession(well ? lease->session : second.session);
    if (!well) return rv;
    lease->session = second.session;
    rv = open_once(lease, what, out);
    return is_doubtful(rv) ? CKR_ENCRYPTED_DATA_INVALID : rv;
}

static bulla_status open_surely(bulla_pkcs11_lease *lease, bulla_call *call, const opening *what, uint8_t *out)
{
    CK_RV rv = open_once(lease, what, out);
    if (is_doubtful(rv)) rv = open_again(lease, call, what, rv, out);
    lease->rv = rv; /* damage is no loss, whatever it was at first */
    if (rv == CKR_OK) return BULLA_OK;
    return says_damage(rv) ? damaged(call) : bulla_pkcs11_fail(lease, call, "unwrap", rv);
}

/* That the blob names a way which token and key do not have is the blob's fault as far as anybody can tell. */
static bulla_status unwrap_way_find(bulla_call *call, bulla_pkcs11_lease *lease, const bulla_pkcs11_version *version,
                                    unsigned index, bulla_pkcs11_way *out_way)
{
    bulla_status status = bulla_pkcs11_way_find(lease, call, version, 1u << index, out_way);
    if (status != BULLA_EUNSUPPORTED) return status;
    return bulla_fail(
        call, BULLA_ENOKEY,
        "the data key is wrapped by %s, which token or key does not have: it is damaged, or of another key",
        bulla_pkcs11_mechanisms[index].name);
}

static bulla_status gcm_unwrap(bulla_call *call, bulla_pkcs11_lease *lease, const bulla_pkcs11_version *version,
                               const unwrap_job *job)
{
    BULLA_WIPED(uint8_t, dek, BULLA_DEK_MAX);
    BULLA_AUTO(bulla_secret) *aad = NULL;
    bulla_view blob = job->wrapped->blob;
    if (blob.len < HEAD_LEN + BULLA_DEK_MIN + TAG_LEN || blob.len > HEAD_LEN + BULLA_DEK_MAX + TAG_LEN)
        return damaged(call);
    opening what = {.handle = version->handle,
                    .iv = bulla_view_of(blob.data + 1, BULLA_PKCS11_IV_LEN),
                    .sealed = bulla_view_of(blob.data + HEAD_LEN, blob.len - HEAD_LEN),
                    .len = blob.len - HEAD_LEN - TAG_LEN};
    BULLA_TRY(unwrap_way_find(call, lease, version, BULLA_PKCS11_GCM, &what.way));
    BULLA_TRY(aad_new(call, job->wrapped->info, job->context, &aad));
    what.aad = aad;
    BULLA_TRY(open_surely(lease, call, &what, dek));
    return bulla_secret_copy(call, bulla_view_of(dek, what.len), job->out);
}

/* The outer part of an inner wrap: which mechanism, then its output. */
static bulla_status kw_unwrap(bulla_call *call, bulla_pkcs11_lease *lease, const bulla_pkcs11_version *version,
                              const unwrap_job *job)
{
    BULLA_WIPED(uint8_t, bytes, BULLA_INNERWRAP_KEY_LEN);
    BULLA_AUTO(bulla_secret) *inner = NULL;
    bulla_view outer;
    opening what = {.handle = version->handle, .len = sizeof bytes};
    BULLA_TRY(bulla_innerwrap_outer(call, job->wrapped->blob, &outer));
    if (outer.len < 2 || outer.len > 1 + BULLA_PKCS11_MAX_OUTER || outer.data[0] == 0) return damaged(call);
    if (outer.data[0] >= BULLA_PKCS11_NUM_MECHANISMS) return damaged(call);
    BULLA_TRY(unwrap_way_find(call, lease, version, outer.data[0], &what.way));
    what.sealed = bulla_view_of(outer.data + 1, outer.len - 1);
    BULLA_TRY(open_surely(lease, call, &what, bytes));
    BULLA_TRY(bulla_secret_copy(call, bulla_view_of(bytes, sizeof bytes), &inner));
    return bulla_innerwrap_open(call, job->wrapped, job->context, inner, job->out);
}

static bulla_status unwrap_run(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, void *arg)
{
    const unwrap_job *job = arg;
    bulla_pkcs11_version version;
    bulla_view blob = job->wrapped->blob;
    BULLA_TRY(bulla_pkcs11_named(key, call, lease, &job->info, &version));
    bulla_status status =
        blob.data[0] == GCM_VERSION ? gcm_unwrap(call, lease, &version, job) : kw_unwrap(call, lease, &version, job);
    /* A key of that name on another token: it may be a copy, and then it opens. */
    if (status == BULLA_EINTEGRITY && strcmp(job->info.serial, lease->serial) != 0)
        return bulla_fail(call, BULLA_ENOKEY, "the data key was wrapped by the token with serial number \"%.16s\"",
                          job->info.serial);
    return status;
}

bulla_status bulla_pkcs11_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek)
{
    unwrap_job job = {.context = context, .wrapped = wrapped, .out = out_dek};
    if (wrapped->blob.len == 0 || !bulla_pkcs11_info_parse(wrapped->info, &job.info)) return damaged(call);
    return bulla_pkcs11_run(self_of(provider), call, BULLA_PKCS11_DO_UNWRAP, unwrap_run, &job);
}
