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
#include "provider/forklock.h"

#include <stdio.h>

#define AHEAD_S 900    /* before their end, or a third of their life when that is shorter */
#define TRY_AGAIN_S 30 /* after a failure, and up to twice as long */
#define REFUSED_S 5    /* credentials that AWS refused are asked for no more often */

/* With the lock held, first of all. In a child that was forked since, whoever was asking or waiting is a thread of its
 * parent, and the credentials are empty. */
static void child_enter(bulla_aws_login *login)
{
    if (login->num_forks == bulla_forklock_num_forks()) return;
    login->num_forks = bulla_forklock_num_forks();
    login->is_busy = false;
    bulla_cond_init(&login->changed);
}

void bulla_aws_login_init(bulla_aws_login *login)
{
    bulla_cond_init(&login->changed);
    bulla_forklock_take();
    login->num_forks = bulla_forklock_num_forks();
    bulla_forklock_give();
}

void bulla_aws_login_done(bulla_aws_login *login)
{
    bulla_forklock_take();
    child_enter(login); /* a condition that the parent's threads wait for is never free */
    bulla_forklock_give();
    bulla_aws_creds_unref(login->current);
    bulla_aws_creds_unref(login->refused);
    (void)pthread_cond_destroy(&login->changed);
}

/* --- what there is; with the lock held --- */

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

/* --- a login --- */

/* One that has ended, and what is left to do about it once the lock is free again. */
typedef struct landing {
    bulla_status status;
    bulla_aws_creds *creds; /* NULL: none */
    int64_t now_s;
    int64_t draw; /* 0 to 65535, at random */
    bulla_aws_creds *replaced, *forgiven;
    bool stays, has_expired;
} landing;

/* Failing to draw costs only the spread. */
static int64_t draw_of(void)
{
    uint8_t bytes[2] = {0, 0};
    return bulla_rand(NULL, bytes, sizeof bytes) == BULLA_OK ? bytes[0] * 256 + bytes[1] : 0;
}

/* 0 to max. */
static int64_t spread(const landing *end, int64_t max)
{
    return max * end->draw / 65536;
}

static void renewed(bulla_aws_login *login, landing *end)
{
    int64_t expires_s = end->creds->value.expires_s, life_s = expires_s - end->now_s;
    int64_t ahead_s = life_s / 3 < AHEAD_S ? life_s / 3 : AHEAD_S;
    int64_t renew_s = life_s > 0 ? expires_s - ahead_s + spread(end, ahead_s / 3) : end->now_s + TRY_AGAIN_S;
    bool is_other = !is_live(login->current) || !bulla_aws_creds_are_same(login->current, end->creds);
    login->renew_s = expires_s == 0 ? 0 : renew_s;
    login->next_try_s = is_other ? 0 : end->now_s + REFUSED_S;
    end->replaced = login->current;
    end->forgiven = BULLA_TAKE(login->refused);
    login->current = bulla_aws_creds_ref(end->creds);
}

static void not_renewed(bulla_aws_login *login, landing *end)
{
    if (bulla_status_class(end->status) == BULLA_CLASS_STOP) return; /* it was the caller who gave up */
    if (!is_live(login->current)) return;
    end->stays = true;
    end->has_expired = is_stale(login, end->now_s);
    login->next_try_s = end->now_s + TRY_AGAIN_S + spread(end, TRY_AGAIN_S);
    end->forgiven = BULLA_TAKE(login->refused);
}

static void land(bulla_aws_login *login, const bulla_aws_asker *asker, landing *end)
{
    bulla_forklock_take();
    login->is_busy = false;
    login->flights++;
    login->failure = end->status;
    (void)snprintf(login->why, sizeof login->why, "%s", asker->call->why);
    if (end->status == BULLA_OK)
        renewed(login, end);
    else
        not_renewed(login, end);
    (void)pthread_cond_broadcast(&login->changed);
    bulla_forklock_give();
}

/* Who has credentials that serve asks for others in half of his time: the rest is for what he wanted them for. */
static bulla_status ask_in_time(const bulla_aws_asker *asker, bool is_served, bulla_aws_creds **out_creds)
{
    bulla_call *call = asker->call;
    const bulla_env *env = bulla_env_of(call);
    int64_t deadline_ns = call->deadline_ns, now_ns = env->ticks_ns(env->arg);
    bool is_cut = is_served && deadline_ns > now_ns;
    if (is_cut) call->deadline_ns = now_ns + (deadline_ns - now_ns) / 2;
    bulla_status status = bulla_aws_chain_ask(asker, out_creds);
    call->deadline_ns = deadline_ns;
    if (status != BULLA_EDEADLINE || !is_cut || env->ticks_ns(env->arg) >= deadline_ns) return status;
    return bulla_fail(call, BULLA_EUNAVAIL, "no answer in half of the time that the request has");
}

static bulla_status fly(bulla_aws_login *login, const bulla_aws_asker *asker, bool is_served,
                        bulla_aws_creds **out_creds)
{
    landing end = {.draw = draw_of()};
    end.status = ask_in_time(asker, is_served, &end.creds);
    end.now_s = bulla_aws_now_s(asker->call, asker->skew_s);
    land(login, asker, &end);
    bulla_aws_creds_unref(end.replaced);
    bulla_aws_creds_unref(end.forgiven);
    if (end.stays)
        bulla_log(bulla_env_of(asker->call), BULLA_LOG_WARN,
                  "key store \"%s\": credentials of AWS are not renewed%s: %s", asker->config->name,
                  end.has_expired ? " and have expired; they stay in use" : "", asker->call->why);
    if (end.status == BULLA_OK) *out_creds = end.creds;
    return end.status;
}

/* --- many callers --- */

/* What a caller has to do next. */
typedef enum turn { TURN_SERVED, TURN_FLY, TURN_WAIT } turn;

typedef struct seat {
    bool has_some;  /* credentials that may be used if all else fails */
    bool is_served; /* they have not expired, nor are they refused */
    uint64_t flights;
} seat;

static turn look(bulla_aws_login *login, const bulla_aws_asker *asker, seat *out_seat, bulla_aws_creds **out_creds)
{
    int64_t now_s = bulla_aws_now_s(asker->call, asker->skew_s);
    turn next = TURN_SERVED;
    bulla_forklock_take();
    child_enter(login);
    bool has_some = is_live(login->current);
    *out_seat = (seat){has_some, has_some && !is_stale(login, now_s), login->flights};
    if (is_due(login, now_s) && !(login->is_busy && out_seat->is_served)) next = login->is_busy ? TURN_WAIT : TURN_FLY;
    if (next == TURN_SERVED) *out_creds = bulla_aws_creds_ref(login->current);
    if (next == TURN_FLY) login->is_busy = true;
    bulla_forklock_give();
    return next;
}

static bool doze_while_busy(bulla_aws_login *login, uint64_t flights)
{
    bulla_forklock_take();
    bool is_busy = login->is_busy && login->flights == flights;
    if (is_busy) bulla_forklock_doze(&login->changed, BULLA_WAIT_STEP_NS);
    bulla_forklock_give();
    return is_busy;
}

/* Waits for the flight of another caller, and shares its failure; but when that caller gave up, there is no news. */
static bulla_status follow(bulla_aws_login *login, bulla_call *call, uint64_t flights)
{
    char why[BULLA_AWS_MAX_WHY];
    bulla_status failure = BULLA_OK;
    do
        BULLA_TRY(bulla_call_check(call));
    while (doze_while_busy(login, flights));
    bulla_forklock_take();
    if (!is_live(login->current)) failure = login->failure;
    memcpy(why, login->why, sizeof why);
    bulla_forklock_give();
    if (failure == BULLA_OK || bulla_status_class(failure) == BULLA_CLASS_STOP) return BULLA_OK;
    return bulla_fail(call, failure, "%s", why);
}

bulla_status bulla_aws_login_get(bulla_aws_login *login, const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    for (;;) {
        seat at;
        switch (look(login, asker, &at, out_creds)) {
        case TURN_SERVED: return BULLA_OK;
        case TURN_WAIT: BULLA_TRY(follow(login, asker->call, at.flights)); continue;
        case TURN_FLY: break;
        }
        bulla_status status = fly(login, asker, at.is_served, out_creds);
        if (status == BULLA_OK || !at.has_some || bulla_status_class(status) == BULLA_CLASS_STOP) return status;
    }
}

void bulla_aws_login_refuse(bulla_aws_login *login, bulla_aws_creds *creds)
{
    bulla_forklock_take();
    child_enter(login);
    if (login->current == creds && login->refused == NULL) login->refused = bulla_aws_creds_ref(creds);
    bulla_forklock_give();
}

bulla_status bulla_aws_login_outage(bulla_aws_login *login, char out_why[BULLA_AWS_MAX_WHY])
{
    bulla_forklock_take();
    bulla_status failure = login->failure;
    memcpy(out_why, login->why, sizeof login->why);
    bulla_forklock_give();
    return bulla_status_class(failure) == BULLA_CLASS_RETRY ? failure : BULLA_OK;
}
