/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When credentials are renewed. Before their end one caller asks for new ones while all others go on with what is
 * there. When nothing new is to be had, what is there stays in use, even expired: AWS decides whether it still takes
 * them, and an outage of the metadata service alone stops nobody.
 */
#include "base/mem.h"
#include "base/wait.h"
#include "crypto/rand.h"
#include "provider/aws.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define AHEAD_S 900    /* before their end, or a third of their life when that is shorter */
#define TRY_AGAIN_S 30 /* after a failure, and up to twice as long */
#define REFUSED_S 5    /* credentials that AWS refused are asked for no more often */

void bulla_aws_login_init(bulla_aws_login *login)
{
    pthread_condattr_t attributes;
    (void)pthread_mutex_init(&login->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&login->changed, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    login->pid = getpid();
    login->is_busy = false;
}

void bulla_aws_login_done(bulla_aws_login *login)
{
    bulla_aws_creds_unref(login->current);
    bulla_aws_creds_unref(login->refused);
    (void)pthread_cond_destroy(&login->changed);
    (void)pthread_mutex_destroy(&login->lock);
}

/* A forked child has none of the threads that held the lock or were asking, and no credentials either. */
static void child_enter(bulla_aws_login *login)
{
    if (login->pid != getpid()) bulla_aws_login_init(login);
}

static bool is_live(const bulla_aws_creds *creds)
{
    return creds != NULL && bulla_secret_is_live(creds->value.secret_key);
}

static bool is_refused(const bulla_aws_login *login)
{
    return login->refused != NULL && login->refused == login->current;
}

/* Whether what is there should not be used if there is another way. */
static bool is_stale(const bulla_aws_login *login, int64_t now_s)
{
    int64_t expires_s = login->current->value.expires_s;
    return is_refused(login) || (expires_s != 0 && expires_s <= now_s);
}

static bool is_due(const bulla_aws_login *login, int64_t now_s)
{
    if (!is_live(login->current)) return true;
    if (now_s < login->next_try_s) return false;
    return is_refused(login) || (login->renew_s != 0 && login->renew_s <= now_s);
}

/* 0 to max. Failing to draw costs only the spread. */
static int64_t jitter(int64_t max)
{
    uint8_t byte[2] = {0, 0};
    if (bulla_rand(NULL, byte, sizeof byte) != BULLA_OK) return 0;
    return max * (byte[0] * 256 + byte[1]) / 65536;
}

static void renewed(bulla_aws_login *login, bulla_aws_creds *creds, int64_t now_s)
{
    int64_t life_s = creds->value.expires_s - now_s, ahead_s = life_s / 3 < AHEAD_S ? life_s / 3 : AHEAD_S;
    int64_t renew_s = life_s > 0 ? creds->value.expires_s - ahead_s + jitter(ahead_s / 3) : now_s + TRY_AGAIN_S;
    bool is_other = !is_live(login->current) || !bulla_aws_creds_are_same(login->current, creds);
    login->renew_s = creds->value.expires_s == 0 ? 0 : renew_s;
    login->next_try_s = is_other ? 0 : now_s + REFUSED_S;
    bulla_aws_creds_unref(login->current);
    login->current = bulla_aws_creds_ref(creds);
    bulla_aws_creds_unref(BULLA_TAKE(login->refused));
}

static void not_renewed(bulla_aws_login *login, const bulla_aws_asker *asker, bulla_status status, int64_t now_s)
{
    (void)snprintf(login->why, sizeof login->why, "%s", asker->call->why);
    if (bulla_status_class(status) == BULLA_CLASS_STOP) return; /* it was the caller who gave up */
    if (!is_live(login->current)) return;
    login->next_try_s = now_s + TRY_AGAIN_S + jitter(TRY_AGAIN_S);
    bulla_aws_creds_unref(BULLA_TAKE(login->refused));
    bulla_log(bulla_env_of(asker->call), BULLA_LOG_WARN, "key store \"%s\": credentials of AWS are not renewed%s: %s",
              asker->config->name, is_stale(login, now_s) ? " and have expired; they stay in use" : "", login->why);
}

/* Asks without the lock, which the caller holds before and after. */
static bulla_status fly(bulla_aws_login *login, const bulla_aws_asker *asker)
{
    BULLA_AUTO(bulla_aws_creds) *creds = NULL;
    login->is_busy = true;
    (void)pthread_mutex_unlock(&login->lock);
    bulla_status status = bulla_aws_chain_ask(asker, &creds);
    int64_t now_s = bulla_aws_now_s(asker->call, asker->skew_s);
    (void)pthread_mutex_lock(&login->lock);
    login->is_busy = false;
    login->flights++;
    login->failure = status;
    if (status == BULLA_OK)
        renewed(login, creds, now_s);
    else
        not_renewed(login, asker, status, now_s);
    (void)pthread_cond_broadcast(&login->changed);
    return status;
}

/* Waits for the flight of another caller, and shares its failure. */
static bulla_status follow(bulla_aws_login *login, bulla_call *call)
{
    uint64_t flights = login->flights;
    while (login->is_busy && login->flights == flights) {
        struct timespec until;
        BULLA_TRY(bulla_call_check(call));
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += BULLA_WAIT_STEP_NS;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
        (void)pthread_cond_timedwait(&login->changed, &login->lock, &until);
    }
    if (is_live(login->current) || login->failure == BULLA_OK) return BULLA_OK;
    if (bulla_status_class(login->failure) == BULLA_CLASS_STOP) return BULLA_OK; /* not ours: ask ourselves */
    return bulla_fail(call, login->failure, "%s", login->why);
}

static bulla_status get(bulla_aws_login *login, const bulla_aws_asker *asker)
{
    for (;;) {
        int64_t now_s = bulla_aws_now_s(asker->call, asker->skew_s);
        bool has_some = is_live(login->current);
        if (!is_due(login, now_s) || (login->is_busy && has_some && !is_stale(login, now_s))) return BULLA_OK;
        if (login->is_busy) {
            BULLA_TRY(follow(login, asker->call));
            continue;
        }
        bulla_status status = fly(login, asker);
        if (status == BULLA_OK || !has_some || bulla_status_class(status) == BULLA_CLASS_STOP) return status;
    }
}

bulla_status bulla_aws_login_get(bulla_aws_login *login, const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    child_enter(login);
    (void)pthread_mutex_lock(&login->lock);
    bulla_status status = get(login, asker);
    if (status == BULLA_OK) *out_creds = bulla_aws_creds_ref(login->current);
    (void)pthread_mutex_unlock(&login->lock);
    return status;
}

void bulla_aws_login_refuse(bulla_aws_login *login, bulla_aws_creds *creds)
{
    (void)pthread_mutex_lock(&login->lock);
    if (login->current == creds && login->refused == NULL) login->refused = bulla_aws_creds_ref(creds);
    (void)pthread_mutex_unlock(&login->lock);
}
