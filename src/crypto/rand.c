/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys come from getrandom(2), each by a call of its own. Nonces and other small draws come out of batches (ADR 0016):
 * a thread's first is the kernel's, so that a short program starts no generator; the next ones are OpenSSL's SP 800-90A
 * generator's, a sixth of the time, with fresh bytes of the kernel as its additional input. So every batch is new after
 * a virtual machine was resumed from a snapshot. What no batch can notice is a snapshot taken between its filling and
 * its use (SECURITY.md).
 */
#include "crypto/rand.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/secret.h"
#include "crypto/ossl.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#define LIVE UINT64_C(0x5EEDF00D5EEDF00D)
#define BATCH_LEN ((size_t)4096) /* a page on x86; rounded up by the kernel elsewhere */
#define MAX_BATCHED 256u         /* a longer draw is worth its own system call */
#define STRENGTH 256u            /* bits */

typedef struct batch {
    uint64_t live; /* LIVE, or zero in a forked child: the page is emptied there */
    size_t at;     /* bytes before it are used and wiped */
    uint8_t bytes[BATCH_LEN - 16];
} batch;
_Static_assert(sizeof(batch) == BATCH_LEN, "a batch fills its page");

static _Thread_local batch *mine;
static pthread_key_t at_exit;
static bool has_key;
static bool is_child; /* atomic: forked since the first batch */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static bulla_status draw_from_kernel(bulla_call *call, uint8_t *out, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t got = getrandom(out + done, len - done, 0);
        if (got >= 0)
            done += (size_t)got;
        else if (errno != EINTR) {
            int reason = errno;
            bulla_wipe(out, len);
            return bulla_fail(call, BULLA_ECRYPTO, "the kernel gives no random bytes: errno %d", reason);
        }
    }
    return BULLA_OK;
}

/* A forked child asks the kernel alone: another thread may have held OpenSSL's generator when it was born. And so does
 * who draws when the program ends and OpenSSL has cleaned up already: its generator would crash. */
static bulla_status draw_from_openssl(uint8_t *out, size_t len)
{
    BULLA_WIPED(uint8_t, fresh, STRENGTH / 8);
    if (__atomic_load_n(&is_child, __ATOMIC_RELAXED) || OPENSSL_init_crypto(0, NULL) != 1) return BULLA_EUNSUPPORTED;
    BULLA_OSSL_WORK(NULL);
    BULLA_TRY(draw_from_kernel(NULL, fresh, STRENGTH / 8));
    EVP_RAND_CTX *generator = RAND_get0_public(NULL);
    bool is_drawn = generator != NULL && EVP_RAND_generate(generator, out, len, STRENGTH, 0, fresh, STRENGTH / 8) == 1;
    BULLA_TRY(bulla_ossl_check(NULL));
    return is_drawn ? BULLA_OK : BULLA_ECRYPTO;
}

static void enter_child(void)
{
    __atomic_store_n(&is_child, true, __ATOMIC_RELAXED);
}

static void batch_free(void *ptr)
{
    mine = NULL;
    bulla_wipe(ptr, BATCH_LEN);
    (void)munmap(ptr, BATCH_LEN);
}

static void make_key(void)
{
    has_key = pthread_atfork(NULL, NULL, enter_child) == 0 && pthread_key_create(&at_exit, batch_free) == 0;
}

/* The thread's empty batch, or NULL where there is no memory or no way to empty it on fork: then every draw goes to the
 * kernel. */
static batch *batch_new(void)
{
    (void)pthread_once(&once, make_key);
    if (!has_key) return NULL;
    void *page = mmap(NULL, BATCH_LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return NULL;
    if (madvise(page, BATCH_LEN, MADV_WIPEONFORK) != 0 || pthread_setspecific(at_exit, page) != 0) {
        (void)munmap(page, BATCH_LEN);
        return NULL;
    }
    (void)madvise(page, BATCH_LEN, MADV_DONTDUMP);
    return page;
}

static bulla_status refill(bulla_call *call, batch *page)
{
    bool is_first = page->live != LIVE;
    if (is_first) (void)mlock(page, sizeof *page); /* new, or forked: a child inherits no locks */
    page->at = sizeof page->bytes;
    page->live = LIVE;
    if (is_first || draw_from_openssl(page->bytes, sizeof page->bytes) != BULLA_OK)
        BULLA_TRY(draw_from_kernel(call, page->bytes, sizeof page->bytes));
    page->at = 0;
    return BULLA_OK;
}

static bulla_status draw(bulla_call *call, uint8_t *out, size_t len)
{
    if (len > MAX_BATCHED) return draw_from_kernel(call, out, len);
    batch *page = mine;
    if (BULLA_UNLIKELY(page == NULL)) {
        page = mine = batch_new();
        if (page == NULL) return draw_from_kernel(call, out, len);
    }
    if (BULLA_UNLIKELY(page->live != LIVE || sizeof page->bytes - page->at < len)) BULLA_TRY(refill(call, page));
    uint8_t *from = page->bytes + page->at;
    page->at += len;
    bulla_copy(out, from, len);
    bulla_wipe(from, len);
    return BULLA_OK;
}

static bulla_status draw_from_program(bulla_call *call, uint8_t *out, size_t len)
{
    const bulla_env *env = bulla_env_of(call);
    if (env->random(env->arg, out, len) == BULLA_OK) return BULLA_OK;
    return bulla_fail(call, BULLA_ECRYPTO, "the program's own source of randomness failed");
}

bulla_status bulla_rand(bulla_call *call, uint8_t *out, size_t len)
{
    if (BULLA_LIKELY(bulla_env_of(call)->random == NULL)) return draw(call, out, len);
    return draw_from_program(call, out, len);
}

bulla_status bulla_rand_key(bulla_call *call, uint8_t *out, size_t len)
{
    if (BULLA_LIKELY(bulla_env_of(call)->random == NULL)) return draw_from_kernel(call, out, len);
    return draw_from_program(call, out, len);
}

bulla_status bulla_secret_random(bulla_call *call, size_t len, bulla_secret **out_secret)
{
    BULLA_AUTO(bulla_secret) *secret = NULL;
    BULLA_TRY(bulla_secret_new(call, len, &secret));
    BULLA_TRY(bulla_rand_key(call, bulla_secret_fill(secret), len));
    *out_secret = BULLA_TAKE(secret);
    return BULLA_OK;
}
