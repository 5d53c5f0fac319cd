/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unwraps that come together go to Transit together. A few of a key's requests are under way at a time, each sent as it
 * came; whoever comes then waits, and when one of them is back the first who waits asks for all. So a lone caller
 * notices nothing, and a busy server is asked less often for the same.
 *
 * A batch gives keys and nothing else. Whatever it brings besides, for one item or for all, its callers ask again, each
 * alone, and are told what they would have been told without it; but for a server that asks for fewer requests: it
 * would get as many as there are callers, so they share that answer. Nobody waits for others longer than half of a
 * try's time, and while the server does not answer nobody waits for others at all.
 *
 * The queue lies in memory that a forked child, which has none of the threads, finds emptied: it asks alone.
 */
#include "provider/vault.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/wait.h"
#include "crypto/rand.h"
#include "provider/request.h"

#include <pthread.h>
#include <stdio.h>

#define MAX_FLYING 4u
#define MAX_BYTES 65536u /* of ciphertexts and contexts in one batch */
#define MAX_ITEM 8192u   /* of one: longer ones are sent alone */
#define USUAL_CONNECTIONS 8u
#define USUAL_TIMEOUT_MS 5000u
#define MS_NS INT64_C(1000000)
#define SILENCE_NS (1000 * MS_NS)      /* without batches after no answer */
#define REFUSAL_NS (60 * 1000 * MS_NS) /* after an answer that is none to a batch */

/* Where a caller stands. WAITS, SENT and what follows them are told under the lock. */
typedef enum stage {
    ALONE, /* asks alone */
    FLIES, /* the same, in one of the places */
    WAITS,
    LEADS, /* has a place, and asks for those who wait */
    SENT,  /* is in somebody's batch */
    SERVED,
    THROTTLED
} stage;

typedef struct waiter waiter;
struct waiter {
    waiter *next;
    waiter **seat; /* SENT: where the batch finds it */
    bulla_transit_item item;
    stage stage;
    bulla_secret *dek;     /* SERVED */
    bulla_failure failure; /* THROTTLED */
    pthread_cond_t changed;
};

/* Zeros are a mutex that nobody holds and a queue in which nobody is. References count on from where chance began, so
 * that an answer to another key or process, which a proxy mixed up, does not bear them. */
typedef struct queue {
    pthread_mutex_t lock;
    waiter *first, *last;
    unsigned num_flying;
    uint64_t next_reference;
    int64_t rest_until_ns;
} queue;

typedef struct batch {
    waiter *seats[BULLA_TRANSIT_MAX_BATCH]; /* NULL: has left */
    bulla_transit_item items[BULLA_TRANSIT_MAX_BATCH];
    bulla_secret *deks[BULLA_TRANSIT_MAX_BATCH];
    size_t num;
    uint64_t first;
    bulla_secret *body;
} batch;

static queue *queue_of(const bulla_vault_key *self)
{
    return (queue *)(void *)bulla_secret_fill(self->queue);
}

bulla_status bulla_vault_queue_init(bulla_vault_key *self, bulla_call *call, bulla_metrics *metrics)
{
    const bulla_kms_config *config = self->client->config;
    char labels[BULLA_KMS_NAME_MAX + 16];
    unsigned connections = config->pool.max_connections == 0 ? USUAL_CONNECTIONS : config->pool.max_connections;
    uint32_t timeout_ms = config->timeout_ms == 0 ? USUAL_TIMEOUT_MS : config->timeout_ms;
    (void)snprintf(labels, sizeof labels, "store=\"%.31s\"", config->name);
    self->max_flying = connections < MAX_FLYING ? connections : MAX_FLYING;
    self->patience_ns = timeout_ms / 2 * MS_NS;
    self->queued = bulla_metrics_counter(metrics, "bulla_kms_unwraps_queued_total", labels,
                                         "Unwraps that waited for others of the same key");
    self->batched = bulla_metrics_counter(metrics, "bulla_kms_unwraps_batched_total", labels,
                                          "Unwraps that a request for several of them answered");
    BULLA_TRY(bulla_secret_new(call, sizeof(queue), &self->queue));
    return bulla_rand(call, (uint8_t *)&queue_of(self)->next_reference, sizeof queue_of(self)->next_reference);
}

static int64_t now_ns(const bulla_vault_key *self)
{
    return self->env->ticks_ns(self->env->arg);
}

/* --- the queue; with the lock held --- */

static void push(queue *all, waiter *me)
{
    if (all->first == NULL)
        all->first = me;
    else
        all->last->next = me;
    all->last = me;
}

static waiter *pop(queue *all)
{
    waiter *first = all->first;
    all->first = first->next;
    first->next = NULL;
    return first;
}

static void unlink_waiter(queue *all, const waiter *me)
{
    waiter *before = NULL;
    for (waiter *at = all->first; at != me; at = at->next)
        before = at;
    if (before == NULL)
        all->first = me->next;
    else
        before->next = me->next;
    if (all->last == me) all->last = before;
}

static void tell(waiter *who, stage next)
{
    who->stage = next;
    (void)pthread_cond_signal(&who->changed);
}

/* For `ns` from now everybody asks alone, those who wait as well. */
static void rest(queue *all, int64_t now, int64_t ns)
{
    if (all->rest_until_ns < now + ns) all->rest_until_ns = now + ns;
    while (all->first != NULL)
        tell(pop(all), ALONE);
}

/* A place is free: it is the first's who waits. */
static void place_leave(queue *all)
{
    all->num_flying--;
    if (all->first == NULL) return;
    all->num_flying++;
    tell(pop(all), LEADS);
}

static size_t bytes_of(const waiter *who)
{
    return who->item.ciphertext.len + who->item.data.len;
}

/* The leader and those behind it, as many as fit. */
static void board(queue *all, waiter *leader, batch *to)
{
    size_t bytes = 0;
    for (waiter *next = leader; next != NULL && to->num < BULLA_TRANSIT_MAX_BATCH; next = all->first) {
        bytes += bytes_of(next);
        if (bytes > MAX_BYTES) break;
        if (next != leader) {
            (void)pop(all);
            next->stage = SENT;
        }
        next->seat = &to->seats[to->num];
        to->seats[to->num] = next;
        to->items[to->num++] = next->item;
    }
    to->first = all->next_reference;
    all->next_reference += to->num;
}

/* Something else than a data key may have been encrypted there: who asks alone is told. */
static bool is_dek(const bulla_secret *dek)
{
    size_t len = bulla_secret_borrow(dek).len;
    return len >= BULLA_DEK_MIN && len <= BULLA_DEK_MAX;
}

/* `failure` is everybody's; NULL: there are keys, or each asks alone. */
static void disembark(bulla_vault_key *self, batch *from, const bulla_failure *failure)
{
    for (size_t i = 0; i < from->num; i++) {
        waiter *who = from->seats[i];
        if (who == NULL) continue;
        bool is_served = is_dek(from->deks[i]);
        if (is_served) {
            bulla_metric_add(self->batched, 1);
            who->dek = BULLA_TAKE(from->deks[i]);
        }
        if (failure != NULL) who->failure = *failure;
        tell(who, is_served ? SERVED : failure != NULL ? THROTTLED : ALONE);
    }
}

/* --- waiting --- */

/* True: it is in the queue, and from then on only the lock tells where it stands. */
static bool enter(queue *all, const bulla_vault_key *self, waiter *me)
{
    int64_t now = now_ns(self);
    bool is_queued = false;
    (void)pthread_mutex_lock(&all->lock);
    if (now < all->rest_until_ns) {
        me->stage = ALONE;
    } else if (all->num_flying < self->max_flying) {
        all->num_flying++;
        me->stage = FLIES;
    } else {
        bulla_cond_init(&me->changed);
        is_queued = true;
        me->stage = WAITS;
        push(all, me);
        bulla_metric_add(self->queued, 1);
    }
    (void)pthread_mutex_unlock(&all->lock);
    return is_queued;
}

static bool is_waiting(const waiter *me)
{
    return me->stage == WAITS || me->stage == SENT;
}

/* With the lock held. Nobody holds on to who leaves. */
static void leave(queue *all, waiter *me)
{
    if (me->stage == WAITS) unlink_waiter(all, me);
    if (me->stage == SENT) *me->seat = NULL;
    me->stage = ALONE;
}

/* Until it leads or is told to ask alone or what there is; no longer than the call may last, nor than its patience. */
static bulla_status await(queue *all, const bulla_vault_key *self, bulla_call *call, waiter *me)
{
    bulla_status status = BULLA_OK;
    int64_t until_ns = now_ns(self) + self->patience_ns;
    (void)pthread_mutex_lock(&all->lock);
    while (is_waiting(me)) {
        int64_t left_ns = BULLA_WAIT_STEP_NS;
        status = bulla_call_check(call);
        if (status != BULLA_OK || now_ns(self) >= until_ns) {
            leave(all, me);
            break;
        }
        if (call->deadline_ns != 0) left_ns = call->deadline_ns - call->env->ticks_ns(call->env->arg);
        bulla_cond_doze(&me->changed, &all->lock, left_ns < MS_NS ? MS_NS : left_ns);
    }
    (void)pthread_mutex_unlock(&all->lock);
    return status;
}

/* --- asking --- */

static bulla_status batch_ask(const bulla_vault_key *self, bulla_call *call, batch *all, int *out_code)
{
    char path[BULLA_VAULT_MAX_PATH];
    BULLA_HTTP_ANSWER(answer);
    (void)snprintf(path, sizeof path, "%s/decrypt/%s", self->mount, self->name);
    const bulla_vault_request request = {.verb = "unwrap",
                                         .method = "POST",
                                         .path = path,
                                         .key = self->path,
                                         .body = bulla_secret_borrow(all->body),
                                         .is_repeatable = true};
    BULLA_TRY(bulla_vault_exchange(self->client, call, &request, &answer));
    *out_code = answer.code;
    if (answer.code == 429) return bulla_vault_refused(self->client, call, &request, &answer);
    /* When it opened only some of them the answer is 400 or 500, with the keys of the others. */
    return bulla_transit_batch_decode(call, bulla_http_body(&answer), all->num, all->first, all->deks);
}

/* How long to do without batches after one that failed: not at all when it was the leader's call that ended. */
static int64_t rest_after(bulla_status status, int code)
{
    if (code == 0) return status == BULLA_EUNAVAIL ? SILENCE_NS : 0;
    if (status != BULLA_EFORMAT) return 0;
    return code >= 500 ? SILENCE_NS : REFUSAL_NS;
}

static void batch_done(batch *all)
{
    bulla_secret_unref(all->body);
    for (size_t i = 0; i < all->num; i++)
        bulla_secret_unref(all->deks[i]);
}

/* The leader's part: asks for all, hands out the keys and gives up its place. Nobody else was there: it keeps the place
 * and asks alone. A request that was not answered was its own too. */
static bulla_status lead(queue *all, bulla_vault_key *self, bulla_call *call, waiter *me)
{
    __attribute__((cleanup(batch_done))) batch mine = {.num = 0};
    int code = 0;
    bulla_status status = bulla_call_check(call);
    (void)pthread_mutex_lock(&all->lock);
    if (status == BULLA_OK) {
        board(all, me, &mine);
        /* Without the call: its log may be slow, or want a key itself. */
        if (mine.num > 1) status = bulla_transit_batch_encode(NULL, mine.items, mine.num, mine.first, &mine.body);
    }
    (void)pthread_mutex_unlock(&all->lock);
    if (status != BULLA_OK && mine.num > 1) (void)bulla_fail(call, status, "no memory for several unwraps at once");
    if (status == BULLA_OK && mine.num == 1) {
        me->stage = FLIES;
        return BULLA_OK;
    }
    if (status == BULLA_OK) status = batch_ask(self, call, &mine, &code);
    int64_t now = now_ns(self), rest_ns = rest_after(status, code);
    bool is_throttled = status == BULLA_ETHROTTLED && code != 0;
    const bulla_failure failure = bulla_failure_of(call);
    (void)pthread_mutex_lock(&all->lock);
    disembark(self, &mine, is_throttled ? &failure : NULL);
    if (rest_ns != 0) rest(all, now, rest_ns);
    place_leave(all);
    (void)pthread_mutex_unlock(&all->lock);
    if (status == BULLA_OK || code == 0 || is_throttled) return status;
    bulla_vault_forgive(call);
    return BULLA_OK;
}

/* What a request alone brought is news for the others. */
static void land(queue *all, const bulla_vault_key *self, const waiter *me, bulla_status status)
{
    if (me->stage != FLIES && status != BULLA_EUNAVAIL) return;
    int64_t now = now_ns(self);
    (void)pthread_mutex_lock(&all->lock);
    if (status == BULLA_EUNAVAIL) rest(all, now, SILENCE_NS);
    if (me->stage == FLIES) place_leave(all);
    (void)pthread_mutex_unlock(&all->lock);
}

static bulla_status queue_up(queue *all, bulla_vault_key *self, bulla_call *call, waiter *me)
{
    if (!enter(all, self, me)) return BULLA_OK;
    bulla_status status = await(all, self, call, me);
    if (status == BULLA_OK && me->stage == LEADS) status = lead(all, self, call, me);
    (void)pthread_cond_destroy(&me->changed);
    return status;
}

bulla_status bulla_vault_unwrap_together(bulla_vault_key *self, bulla_call *call, bulla_context *context,
                                         bulla_view ciphertext, bulla_secret **out_dek)
{
    queue *all = queue_of(self);
    waiter me = {.item = {ciphertext, bulla_context_bytes(context)}};
    uint32_t version = 0;
    if (all == NULL || bytes_of(&me) > MAX_ITEM || !bulla_transit_ciphertext_is(ciphertext, &version))
        return bulla_vault_unwrap_alone(self, call, context, ciphertext, out_dek);
    BULLA_TRY(queue_up(all, self, call, &me));
    if (me.stage == THROTTLED) return bulla_failure_set(call, &me.failure);
    if (me.stage == SERVED) {
        *out_dek = me.dek;
        return BULLA_OK;
    }
    bulla_status status = bulla_vault_unwrap_alone(self, call, context, ciphertext, out_dek);
    land(all, self, &me, status);
    return status;
}
