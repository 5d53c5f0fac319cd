/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel's library through its direct calls, which keep nothing but the key schedule: any number of threads may share a
 * key. The calls refuse bad parameters silently, without writing a tag, so aead.c checks all of them before.
 */
#include "base/bytes.h"
#include "crypto/aead_engine.h"

#include <cpuid.h>
#include <intel-ipsec-mb.h>
#include <openssl/crypto.h>

/* For keys of 16, 24 and 32 bytes. Written once, under aead.c's lock, before any key is made. */
static struct {
    aes_gcm_pre_t pre;
    aes_gcm_enc_dec_t enc, dec;
} calls[3];
static hash_fn_t hash_call; /* SHA-512; likewise */

typedef struct ipsecmb_key {
    bulla_aead base;                     /* secret: the schedule */
    const struct gcm_key_data *schedule; /* in it */
    aes_gcm_enc_dec_t enc, dec;
} ipsecmb_key;

/* Whether the system keeps the registers of AVX-512: SSE, AVX, masks and both halves of the large ones. */
static bool has_wide_registers(void)
{
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0, low = 0, high = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || (ecx & bit_OSXSAVE) == 0) return false;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 0xE6u) == 0xE6u;
}

/* AVX-512 with VAES and VPCLMULQDQ: elsewhere the library does not outrun OpenSSL by enough to pay for its start. The
 * compiler has a function for such questions, but that asks the processor for everything at the start of each program,
 * slowly in a virtual machine. */
static bool ipsecmb_is_fast(void)
{
    const unsigned wide = bit_AVX512F | bit_AVX512VL, vector = bit_VAES | bit_VPCLMULQDQ;
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!has_wide_registers() || __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
    return (ebx & wide) == wide && (ecx & vector) == vector;
}

static void take_calls(const IMB_MGR *manager)
{
    calls[0].pre = manager->gcm128_pre;
    calls[0].enc = manager->gcm128_enc;
    calls[0].dec = manager->gcm128_dec;
    calls[1].pre = manager->gcm192_pre;
    calls[1].enc = manager->gcm192_enc;
    calls[1].dec = manager->gcm192_dec;
    calls[2].pre = manager->gcm256_pre;
    calls[2].enc = manager->gcm256_enc;
    calls[2].dec = manager->gcm256_dec;
    hash_call = manager->sha512;
}

/* The manager is the library's way to find the calls for this processor; its queues are not ours to keep. */
static bulla_status ipsecmb_start(bulla_call *call)
{
    IMB_MGR *manager = alloc_mb_mgr(0);
    if (manager == NULL) return bulla_fail(call, BULLA_ENOMEM, "no memory to start libipsec-mb");
    IMB_ARCH arch = IMB_ARCH_NONE;
    init_mb_mgr_auto(manager, &arch);
    uint64_t features = manager->features;
    int reason = imb_get_errno(manager);
    take_calls(manager);
    free_mb_mgr(manager);
    if (arch == IMB_ARCH_NONE || (features & IMB_FEATURE_AESNI) == 0)
        return bulla_fail(call, BULLA_EUNSUPPORTED, "libipsec-mb has no fast AES for this processor");
    if (reason != 0) return bulla_fail(call, BULLA_ECRYPTO, "libipsec-mb does not start: %s", imb_get_strerror(reason));
    if ((features & IMB_FEATURE_SELF_TEST) != 0 && (features & IMB_FEATURE_SELF_TEST_PASS) == 0)
        return bulla_fail(call, BULLA_ECRYPTO, "libipsec-mb failed its own self-test");
    return BULLA_OK;
}

static bulla_status ipsecmb_key_set(bulla_aead *aead, bulla_call *call, bulla_view key)
{
    ipsecmb_key *made = (ipsecmb_key *)aead;
    size_t kind = key.len / 8 - 2;
    BULLA_TRY(bulla_secret_new(call, sizeof(struct gcm_key_data), &aead->secret));
    struct gcm_key_data *schedule = (void *)bulla_secret_fill(aead->secret);
    calls[kind].pre(key.data, schedule);
    made->schedule = schedule;
    made->enc = calls[kind].enc;
    made->dec = calls[kind].dec;
    return BULLA_OK;
}

static void ipsecmb_key_done(bulla_aead *aead)
{
    (void)aead; /* the schedule goes with its secret */
}

/* `state` is left with key stream and is wiped. */
static bulla_status ipsecmb_seal(bulla_aead *aead, bulla_call *call, const bulla_aead_op *op, uint8_t *tag)
{
    (void)call;
    const ipsecmb_key *key = (const ipsecmb_key *)aead;
    struct gcm_context_data state;
    key->enc(key->schedule, &state, op->out, op->in.data, op->in.len, op->nonce, op->aad.data, op->aad.len, tag,
             BULLA_TAG_LEN);
    bulla_wipe(&state, sizeof state);
    return BULLA_OK;
}

static bulla_status ipsecmb_open(bulla_aead *aead, bulla_call *call, const bulla_aead_op *op, const uint8_t *tag)
{
    (void)call;
    const ipsecmb_key *key = (const ipsecmb_key *)aead;
    struct gcm_context_data state;
    uint8_t expected[BULLA_TAG_LEN];
    key->dec(key->schedule, &state, op->out, op->in.data, op->in.len, op->nonce, op->aad.data, op->aad.len, expected,
             BULLA_TAG_LEN);
    bulla_wipe(&state, sizeof state);
    bool is_right = CRYPTO_memcmp(expected, tag, BULLA_TAG_LEN) == 0;
    bulla_wipe(expected, sizeof expected); /* the right tag of a forged message is worth a forgery */
    return is_right ? BULLA_OK : BULLA_EINTEGRITY;
}

static void ipsecmb_sha512(bulla_view bytes, uint8_t *out)
{
    hash_call(bytes.data, bytes.len, out);
}

const bulla_aead_engine bulla_aead_ipsecmb = {
    .name = "ipsec-mb",
    .size = sizeof(ipsecmb_key),
    .is_fast = ipsecmb_is_fast,
    .start = ipsecmb_start,
    .key_set = ipsecmb_key_set,
    .key_done = ipsecmb_key_done,
    .seal = ipsecmb_seal,
    .open = ipsecmb_open,
    .sha512 = ipsecmb_sha512,
};
