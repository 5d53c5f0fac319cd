/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Does the server bind the context? Transit ignores members of a request that it does not know, and old servers say
 * nothing of it: they wrap with associated_data and without it alike, and nobody would notice until somebody put a
 * wrapped key where it does not belong. So what a key has wrapped first is put to the server once more, without the
 * context, and must be refused. A server that ignores associated_data in encrypt alone, as OpenBao does in datakey,
 * would refuse a wrong context too, so none it must be.
 *
 * This is known of each key and endpoint until the next login, after which another server may answer.
 */
#include "provider/vault.h"

#include "base/bytes.h"
#include "base/lock.h"
#include "base/mem.h"

#define FIRST_THAT_BINDS 1009u /* Vault 1.9; OpenBao began with 2.0 */

typedef enum trust { TRUST_UNKNOWN, TRUST_YES, TRUST_NO } trust;

/* Zeros are a lock that nobody holds; a forked child, in which its holder is missing, finds the memory emptied. */
bulla_status bulla_vault_proof_init(bulla_vault_key *self, bulla_call *call)
{
    BULLA_TRY(bulla_secret_new(call, sizeof(pthread_mutex_t), &self->proving));
    bulla_lock_init((pthread_mutex_t *)(void *)bulla_secret_fill(self->proving));
    return BULLA_OK;
}

static uint32_t login_of(const bulla_vault_key *self)
{
    return __atomic_load_n(&self->client->num_logins, __ATOMIC_RELAXED);
}

static trust proof_read(const bulla_vault_key *self, const bulla_vault_proof *proof)
{
    bulla_vault_proof known = __atomic_load_n(proof, __ATOMIC_RELAXED);
    return known >> 2 == (login_of(self) & UINT32_MAX >> 2) ? (trust)(known & 3) : TRUST_UNKNOWN;
}

static void proof_write(bulla_vault_proof *proof, uint32_t login, trust found)
{
    __atomic_store_n(proof, login << 2 | (uint32_t)found, __ATOMIC_RELAXED);
}

/* --- finding out --- */

/* Asks for what must not be given. EAUTHZ where the policy lets us wrap and not open. */
static bulla_status put_to_test(const bulla_vault_key *self, bulla_call *call, const char *ciphertext, trust *out_trust)
{
    BULLA_TRANSIT_ANSWER(opened);
    const bulla_transit_request request = {.ciphertext = bulla_view_text(ciphertext)};
    bulla_status status = bulla_vault_transit_ask(self, call, &bulla_vault_decrypting, &request, &opened);
    if (status != BULLA_OK && status != BULLA_EINTEGRITY) return status;
    if (status != BULLA_OK) bulla_vault_forgive(call);
    *out_trust = status == BULLA_OK ? TRUST_NO : TRUST_YES;
    return BULLA_OK;
}

/* One caller at a time finds out. Who has waited for half of a try's time does not rely on the one before. */
static bool proving_lock(const bulla_vault_key *self, bulla_call *call, pthread_mutex_t *lock)
{
    int64_t deadline_ns = call->deadline_ns;
    int64_t until_ns = call->env->ticks_ns(call->env->arg) + self->patience_ns;
    if (deadline_ns == 0 || until_ns < deadline_ns) call->deadline_ns = until_ns;
    bool is_held = bulla_lock_wait(lock, call, "a key of Vault") == BULLA_OK;
    call->deadline_ns = deadline_ns;
    if (!is_held) bulla_vault_forgive(call);
    return is_held;
}

static bulla_status find_out(bulla_vault_key *self, bulla_call *call, bulla_vault_proof *proof, const char *ciphertext,
                             trust *out_trust)
{
    pthread_mutex_t *lock = (pthread_mutex_t *)(void *)bulla_secret_fill(self->proving);
    bool is_held = lock != NULL && proving_lock(self, call, lock);
    bulla_status status = bulla_call_check(call);
    uint32_t login = login_of(self);
    trust found = proof_read(self, proof);
    if (status == BULLA_OK && found == TRUST_UNKNOWN) {
        status = put_to_test(self, call, ciphertext, &found);
        if (status == BULLA_OK) proof_write(proof, login, found);
    }
    if (is_held) (void)pthread_mutex_unlock(lock);
    *out_trust = found;
    return status;
}

/* --- what encrypt wraps --- */

static bulla_status unbound(const bulla_vault_key *self, bulla_call *call)
{
    return bulla_fail(
        call, BULLA_EUNSUPPORTED,
        "key store \"%s\" at %.60s ignores associated_data, so it binds no context: it is too old; OpenBao "
        "and Vault from 1.9 on do",
        self->client->config->name, self->client->host);
}

bulla_status bulla_vault_binding_recall(const bulla_vault_key *self, bulla_call *call)
{
    return proof_read(self, &self->wrapping) == TRUST_NO ? unbound(self, call) : BULLA_OK;
}

void bulla_vault_binding_forget(bulla_vault_key *self)
{
    if (proof_read(self, &self->wrapping) == TRUST_NO) proof_write(&self->wrapping, 0, TRUST_UNKNOWN);
}

/* Who may wrap and not open cannot put the server to the test: then what it says of itself must do. */
static bulla_status version_check(bulla_vault_key *self, bulla_call *call)
{
    bulla_vault_health health;
    BULLA_TRY(bulla_vault_health_ask(self->client, call, &health));
    if (health.version >= FIRST_THAT_BINDS) return BULLA_OK;
    return bulla_fail(call, BULLA_EUNSUPPORTED,
                      "key store \"%s\" at %.60s does not say a version that binds contexts, and the policy forbids to "
                      "try: let it decrypt with %.64s, once",
                      self->client->config->name, self->client->host, self->path);
}

static bulla_status version_trust(bulla_vault_key *self, bulla_call *call)
{
    uint32_t login = login_of(self);
    bulla_vault_forgive(call);
    BULLA_TRY(version_check(self, call));
    proof_write(&self->wrapping, login, TRUST_YES);
    return BULLA_OK;
}

bulla_status bulla_vault_binding_check(bulla_vault_key *self, bulla_call *call, const bulla_transit_answer *wrapped)
{
    trust found = wrapped->ignored_data ? TRUST_NO : proof_read(self, &self->wrapping);
    if (found == TRUST_YES) return BULLA_OK;
    bulla_status status = BULLA_OK;
    if (found == TRUST_UNKNOWN) status = find_out(self, call, &self->wrapping, wrapped->ciphertext, &found);
    if (status == BULLA_EAUTHZ) return version_trust(self, call);
    if (status != BULLA_OK) return status;
    return found == TRUST_YES ? BULLA_OK : unbound(self, call);
}

/* --- what datakey makes --- */

bool bulla_vault_makes_unbound(const bulla_vault_key *self)
{
    return proof_read(self, &self->making) == TRUST_NO;
}

bulla_status bulla_vault_making_check(bulla_vault_key *self, bulla_call *call, const bulla_transit_answer *made,
                                      bool *out_binds)
{
    uint32_t login = login_of(self);
    trust found = proof_read(self, &self->making);
    bulla_status status = BULLA_OK;
    if (found == TRUST_UNKNOWN && !made->ignored_data)
        status = find_out(self, call, &self->making, made->ciphertext, &found);
    bool is_known = status == BULLA_OK && !made->ignored_data;
    if (status != BULLA_OK && status != BULLA_EAUTHZ) return status;
    if (status == BULLA_EAUTHZ) bulla_vault_forgive(call);
    if (!is_known) proof_write(&self->making, login, TRUST_NO);
    *out_binds = is_known && found == TRUST_YES;
    return BULLA_OK;
}
