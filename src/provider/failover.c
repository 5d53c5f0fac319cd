/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Failover: an ordered list of endpoints, or of different keys that stand in for each other. The one that answered last
 * is asked first. While that is not the first of the list, those before it are checked now and then by a thread that
 * passing requests wake and none waits for (ADR 0012).
 *
 * An endpoint's share of a request is a deadline set on the caller's own call and lifted again, so that a cancellation
 * reaches whoever is being asked.
 */
#include "provider/wrappers.h"

#include "base/mem.h"
#include "provider/crew.h"
#include "provider/hedge.h"
#include "provider/request.h"

#include <stdio.h>
#include <string.h>

#define MAX_MEMBERS 32u
#define TEXT_ROOM 190u /* of a failure's sentence, for what the endpoints said */

typedef struct failover {
    bulla_wrapper base;
    bulla_failover_options options;
    bool is_one_key;
    size_t current; /* asked first */
    bulla_crew *crew;
    bulla_hedge *hedge; /* NULL: no hedging */
    bulla_job check;    /* one at a time: taken while is_checking */
    int is_checking;
    int64_t next_check_ns;
    bulla_metric *active, *switches;
    char labels[BULLA_METRICS_MAX_LABELS];
    size_t num_members;
    bulla_provider *members[];
} failover;

/* One request on its way along the list. */
typedef struct walk {
    size_t order[MAX_MEMBERS], num; /* who may be asked, in this order */
    size_t num_failed, num_silent;  /* silent: no answer, or one that says nothing of the key */
    bulla_failure refusal, last;    /* the first refusal, or what kept an endpoint from having a say at all */
    bool all_throttled;
    uint32_t attempts, retry_after_ms;
    size_t text_len;
    char text[TEXT_ROOM + 1];
} walk;

static failover *self_of(bulla_wrapper *wrapper)
{
    return (failover *)(void *)wrapper;
}

static bulla_provider *failover_inner(const bulla_provider *provider, size_t index)
{
    const failover *self = (const failover *)(const void *)provider;
    return index < self->num_members ? self->members[index] : NULL;
}

static int64_t now_ns(const failover *self)
{
    return self->base.env->ticks_ns(self->base.env->arg);
}

/* --- who is asked first --- */

/* Only from the one that the reason is about: what was asked before a change says nothing of it. */
static void current_set(failover *self, size_t was, size_t member, const char *why)
{
    if (was == member ||
        !__atomic_compare_exchange_n(&self->current, &was, member, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
        return;
    int64_t next_ns = now_ns(self) + self->options.health_check_interval_ms * INT64_C(1000000);
    __atomic_store_n(&self->next_check_ns, next_ns, __ATOMIC_RELAXED);
    bulla_metric_set(self->active, (int64_t)member);
    bulla_metric_add(self->switches, 1);
    bulla_log(self->base.env, BULLA_LOG_WARN, "%s key store (%s): endpoint %zu is asked first now, not %zu: %s",
              self->base.ops.name, self->labels, member + 1, was + 1, why);
}

static bool is_silence(bulla_status status)
{
    bulla_class class_ = bulla_status_class(status);
    return class_ == BULLA_CLASS_RETRY || class_ == BULLA_CLASS_UNSURE || status == BULLA_EDEADLINE;
}

/* An endpoint that may not be asked for this by us is alive all the same; one that does not know us is of no use. */
static bool is_alive(bulla_status status)
{
    return !is_silence(status) && status != BULLA_ECANCELLED && status != BULLA_EAUTHN &&
           bulla_status_class(status) != BULLA_CLASS_FATAL;
}

static void check_run(bulla_job *job, bulla_call *call)
{
    failover *self = (failover *)(void *)((char *)job - offsetof(failover, check));
    size_t current = __atomic_load_n(&self->current, __ATOMIC_ACQUIRE);
    for (size_t i = 0; i < current; i++) {
        bulla_call_deadline_set(call, self->options.failover_timeout_ms);
        if (!is_alive(bulla_provider_check(self->members[i], call))) continue;
        current_set(self, current, i, "its check succeeded");
        break;
    }
    __atomic_store_n(&self->is_checking, 0, __ATOMIC_RELEASE);
}

static void check_drop(bulla_job *job)
{
    (void)job;
}

static void check_if_due(failover *self)
{
    int idle = 0;
    int64_t at_ns = now_ns(self), due_ns = __atomic_load_n(&self->next_check_ns, __ATOMIC_RELAXED);
    int64_t next_ns = at_ns + self->options.health_check_interval_ms * INT64_C(1000000);
    if (at_ns < due_ns ||
        !__atomic_compare_exchange_n(&self->next_check_ns, &due_ns, next_ns, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        return;
    if (!__atomic_compare_exchange_n(&self->is_checking, &idle, 1, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) return;
    if (!bulla_crew_take(self->crew, &self->check)) __atomic_store_n(&self->is_checking, 0, __ATOMIC_RELEASE);
}

/* --- one request --- */

#define CHANGES (BULLA_OP_ROTATE | BULLA_OP_CREATE) /* not to be done twice */

/* What is about one key, where there are several, is the first one's alone: nobody means the stand-in when he rotates
 * or lists. */
static bool is_for(const failover *self, const bulla_request *request, size_t member)
{
    const uint32_t of_one_key = BULLA_OP_DESCRIBE | BULLA_OP_LIST | CHANGES;
    if ((request->op & (BULLA_OP_UNWRAP | BULLA_OP_REWRAP)) != 0)
        return bulla_provider_matches(self->members[member], request->wrapped);
    return self->is_one_key || member == 0 || (request->op & of_one_key) == 0;
}

static void walk_plan(walk *way, const failover *self, const bulla_request *request, size_t current)
{
    way->all_throttled = true;
    if (is_for(self, request, current)) way->order[way->num++] = current;
    for (size_t i = 0; i < self->num_members; i++)
        if (i != current && is_for(self, request, i)) way->order[way->num++] = i;
}

/* Remembers what an endpoint said, in its share of the sentence. */
static void walk_note(walk *way, const bulla_call *call, size_t member)
{
    size_t room = TEXT_ROOM / (way->num > 4 ? 4 : way->num), left = TEXT_ROOM - way->text_len;
    bulla_failure said = bulla_failure_of(call);
    if (is_silence(said.status)) {
        way->num_silent++;
        way->all_throttled = way->all_throttled && said.status == BULLA_ETHROTTLED;
        if (said.retry_after_ms != 0 && (way->retry_after_ms == 0 || said.retry_after_ms < way->retry_after_ms))
            way->retry_after_ms = said.retry_after_ms;
    } else if (way->num_failed == way->num_silent || said.status == BULLA_EUNTRUSTED) {
        way->refusal = said;
    }
    way->num_failed++;
    way->last = said;
    if (left < 8) return;
    if (left > room) left = room;
    (void)snprintf(way->text + way->text_len, left + 1, "%s%zu: %.*s", way->text_len == 0 ? "" : "; ", member + 1,
                   (int)left, said.why);
    way->text_len += strlen(way->text + way->text_len);
}

/* Whether the next one may know better. */
static bool goes_on(const failover *self, const bulla_request *request, const walk *way, bulla_status status)
{
    if (request->num_visited != 0) return false;
    if (status == BULLA_EUNTRUSTED) return true; /* nothing was asked: whoever it is, he says nothing of the key */
    if ((request->op & CHANGES) != 0) return bulla_status_class(status) == BULLA_CLASS_RETRY; /* nothing happened */
    if (is_silence(status)) return true;
    if (self->is_one_key || bulla_status_class(status) == BULLA_CLASS_STOP) return false;
    if (way->num_silent != 0) return true; /* what a stand-in refuses, the silent one may allow */
    if (request->op != BULLA_OP_UNWRAP) return false;
    return status == BULLA_ENOKEY || status == BULLA_EINTEGRITY || status == BULLA_EAUTHZ || status == BULLA_EAUTHN;
}

static bulla_status hedged_send(failover *self, bulla_call *call, bulla_request *request, walk *way, size_t at,
                                bulla_hedged *out_hedged)
{
    if (self->hedge == NULL || request->op != BULLA_OP_UNWRAP || at != 0 || way->num < 2)
        return bulla_request_send(request, self->members[way->order[at]], call);
    bulla_provider *const both[2] = {self->members[way->order[0]], self->members[way->order[1]]};
    return bulla_hedge_unwrap(self->hedge, call, request, both, out_hedged);
}

/* Asks one endpoint within its share of the time. The last one has all that is left, and so has a rotation: one that is
 * cut short has an unknown outcome. */
static bulla_status ask(failover *self, bulla_call *call, bulla_request *request, walk *way, size_t at,
                        bulla_hedged *out_hedged)
{
    int64_t deadline_ns = call->deadline_ns;
    int64_t share_ns = now_ns(self) + self->options.failover_timeout_ms * INT64_C(1000000);
    bool is_cut = at + 1 < way->num && (request->op & CHANGES) == 0 && (deadline_ns == 0 || share_ns < deadline_ns);
    if (is_cut) call->deadline_ns = share_ns;
    bulla_status status = hedged_send(self, call, request, way, at, out_hedged);
    way->attempts += call->attempts;
    call->deadline_ns = deadline_ns;
    if (status != BULLA_EDEADLINE || !is_cut || (deadline_ns != 0 && now_ns(self) >= deadline_ns)) return status;
    return bulla_fail(call, BULLA_EUNAVAIL, "no answer within %u ms", self->options.failover_timeout_ms);
}

/* Everybody failed. One that did not answer might have opened it: that is an outage, whatever the others said. */
static bulla_status walk_fail(const failover *self, bulla_call *call, const walk *way)
{
    if (way->num_failed == 1) return bulla_failure_set(call, &way->last);
    if (way->num_silent == 0) return bulla_failure_set(call, &way->refusal);
    bulla_status status = way->last.status == BULLA_EDEADLINE ? BULLA_EDEADLINE
                          : way->all_throttled                ? BULLA_ETHROTTLED
                                                              : BULLA_EUNAVAIL;
    (void)bulla_fail(call, status, "no endpoint of the %s key store answered: %s", self->base.ops.name, way->text);
    call->native = way->last.native;
    call->retry_after_ms = way->retry_after_ms;
    return status;
}

/* Of different keys, the one that unwraps is a matter of who wrapped. */
static void settle_on(failover *self, const bulla_request *request, const walk *way, size_t at)
{
    bool is_about_wrapping = (request->op & (BULLA_OP_WRAP | BULLA_OP_DATAKEY)) != 0;
    if (at != 0 && (self->is_one_key || is_about_wrapping)) current_set(self, way->order[0], way->order[at], way->text);
}

static bulla_status walk_along(failover *self, bulla_call *call, bulla_request *request, walk *way)
{
    for (size_t at = 0; at < way->num; at++) {
        bulla_hedged hedged = {.was_asked = false};
        bulla_status status = ask(self, call, request, way, at, &hedged);
        if (status == BULLA_OK || !goes_on(self, request, way, status)) {
            if (is_alive(status)) settle_on(self, request, way, at);
            return status;
        }
        walk_note(way, call, way->order[at]);
        if (status == BULLA_EDEADLINE) break;
        if (!hedged.was_asked) continue;
        status = bulla_failure_set(call, &hedged.failure); /* the next one has answered already */
        if (!goes_on(self, request, way, status)) return status;
        walk_note(way, call, way->order[++at]);
    }
    return walk_fail(self, call, way);
}

static bulla_status failover_run(bulla_wrapper *wrapper, bulla_call *call, bulla_request *request)
{
    failover *self = self_of(wrapper);
    size_t current = __atomic_load_n(&self->current, __ATOMIC_ACQUIRE);
    walk way = {.num = 0};
    if (BULLA_UNLIKELY(current != 0)) check_if_due(self);
    walk_plan(&way, self, request, current);
    if (way.num == 0) return bulla_fail(call, BULLA_ENOKEY, "the data key was not wrapped by any of these keys");
    bulla_status status = walk_along(self, call, request, &way);
    call->attempts = way.attempts;
    return status;
}

static void failover_destroy(bulla_wrapper *wrapper)
{
    failover *self = self_of(wrapper);
    bulla_hedge_free(self->hedge);
    bulla_crew_free(self->crew);
    for (size_t i = 0; i < self->num_members; i++)
        bulla_provider_unref(self->members[i]);
}

/* --- making one --- */

/* A check is answered by whoever can, so it is one slot here and not a description of the first. */
static void abilities_set(failover *self)
{
    if ((self->base.ops.can & BULLA_OP_DESCRIBE) != 0) self->base.ops.can |= BULLA_OP_CHECK;
    for (size_t i = 1; i < self->num_members; i++) {
        self->base.ops.can |= bulla_provider_can(self->members[i]) & BULLA_OP_UNWRAP;
        self->base.ops.idempotent &= bulla_provider_idempotent(self->members[i]);
    }
}

static void members_set(failover *self, bulla_provider *const *inners, size_t num_inners, bool is_one_key,
                        const bulla_failover_options *options, const bulla_wrapper_site *site)
{
    size_t len = strnlen(site->labels, sizeof self->labels - 1);
    memcpy(self->labels, site->labels, len);
    for (size_t i = 0; i < num_inners; i++)
        self->members[i] = bulla_provider_ref(inners[i]);
    self->num_members = num_inners;
    self->is_one_key = is_one_key;
    self->options.health_check_interval_ms = bulla_given_or(options->health_check_interval_ms, 10000);
    self->options.failover_timeout_ms = bulla_given_or(options->failover_timeout_ms, 3000);
    self->check = (bulla_job){.run = check_run, .drop = check_drop};
    self->active = bulla_metrics_gauge(site->metrics, "bulla_kms_failover_endpoint", site->labels,
                                       "The endpoint that is asked first; 0: the first of the list.");
    self->switches = bulla_metrics_counter(site->metrics, "bulla_kms_failover_switches_total", site->labels,
                                           "Times that another endpoint became the first to be asked.");
}

bulla_status bulla_failover_new(bulla_call *call, bulla_provider *const *inners, size_t num_inners, bool is_one_key,
                                const bulla_failover_options *options, const bulla_wrapper_site *site,
                                bulla_provider **out_provider)
{
    bulla_wrapper_kind kind = {sizeof(failover) + num_inners * sizeof(bulla_provider *), failover_inner, failover_run,
                               failover_destroy};
    bulla_wrapper *made = NULL;
    if (num_inners == 0 || num_inners > MAX_MEMBERS)
        return bulla_fail(call, BULLA_ECONFIG, "failover takes 1 to %u endpoints, not %zu", MAX_MEMBERS, num_inners);
    BULLA_TRY(bulla_wrapper_new(call, &kind, inners[0], &made));
    BULLA_AUTO(bulla_provider) *held = &made->base;
    failover *self = self_of(made);
    members_set(self, inners, num_inners, is_one_key, options, site);
    abilities_set(self);
    BULLA_TRY(bulla_crew_new(call, 1, 1, &self->crew));
    if (options->hedge && is_one_key && num_inners > 1) BULLA_TRY(bulla_hedge_new(call, &self->hedge));
    *out_provider = BULLA_TAKE(held);
    return BULLA_OK;
}
