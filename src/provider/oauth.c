/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/oauth.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/rand.h"
#include "provider/request.h"

#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define SECOND_NS INT64_C(1000000000)
#define AHEAD_S 225 /* a token is renewed so long before its end: metadata services give no new one earlier */
#define JITTER_S 60 /* spread of that over many processes */
#define AGAIN_S 10  /* after a renewal that failed, while the old token still serves */
#define WAIT_NS                                                                                                        \
    2000000 /* between looks at somebody else's login: a cancellation comes without a signal to wait for               \
             */

/*
 * The lock and the flight name the process that holds them, so that a forked child takes over what a thread of its
 * parent held, instead of waiting for a thread that it does not have.
 */
struct bulla_oauth {
    const bulla_env *env;
    bulla_oauth_login login;
    void *arg;
    pid_t locked; /* holder of the lock; 0: nobody. Held for some tens of nanoseconds, never across a login */
    pid_t owner;  /* the process that what follows belongs to */

    bulla_secret *bearer;
    int64_t renew_ns, expires_ns;
    unsigned refusal; /* of the token before, until the next comes */
    int64_t refused_ns;
    bool is_flying;       /* one caller is logging in */
    uint64_t num_flights; /* finished */
    bulla_status outcome; /* of the last flight */
    bulla_failure failure;
};

static void lock(bulla_oauth *oauth)
{
    pid_t self = getpid();
    for (;;) {
        pid_t holder = 0;
        if (__atomic_compare_exchange_n(&oauth->locked, &holder, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            break;
        if (holder != self &&
            __atomic_compare_exchange_n(&oauth->locked, &holder, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            break;
        (void)sched_yield();
    }
    if (oauth->owner == self) return;
    oauth->owner = self; /* a child: its parent's token is wiped here, and no thread of the parent is */
    oauth->bearer = NULL;
    oauth->refusal = 0;
    oauth->is_flying = false;
}

static void unlock(bulla_oauth *oauth)
{
    __atomic_store_n(&oauth->locked, 0, __ATOMIC_RELEASE);
}

bulla_status bulla_oauth_new(bulla_call *call, bulla_oauth_login login, void *arg, bulla_oauth **out_oauth)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_oauth), &memory));
    bulla_oauth *oauth = memory;
    oauth->env = bulla_env_of(call);
    oauth->login = login;
    oauth->arg = arg;
    oauth->owner = getpid();
    *out_oauth = oauth;
    return BULLA_OK;
}

void bulla_oauth_free(bulla_oauth *oauth)
{
    if (oauth == NULL) return;
    bulla_secret_unref(oauth->bearer);
    bulla_free(oauth->env, oauth);
}

/* --- one flight --- */

/* When to renew a token that lives so long: ahead of its end, but not before half of it is over. */
static int64_t renewal_ns(bulla_call *call, int64_t lifetime_s)
{
    uint8_t draw = 0;
    if (bulla_rand(call, &draw, 1) != BULLA_OK) draw = 0; /* then without jitter */
    int64_t ahead = AHEAD_S + JITTER_S * (int64_t)draw / 256;
    return (lifetime_s > 2 * ahead ? lifetime_s - ahead : lifetime_s / 2) * SECOND_NS;
}

static void flight_end(bulla_oauth *oauth, bulla_call *call, bulla_status status, bulla_oauth_grant *grant)
{
    int64_t now = oauth->env->ticks_ns(oauth->env->arg);
    int64_t renew_in = status != BULLA_OK    ? 0
                       : grant->renew_s != 0 ? grant->renew_s * SECOND_NS
                                             : renewal_ns(call, grant->lifetime_s);
    lock(oauth);
    bulla_secret *old = status == BULLA_OK ? oauth->bearer : NULL;
    if (status == BULLA_OK) {
        oauth->bearer = BULLA_TAKE(grant->bearer);
        oauth->refusal = 0;
        oauth->renew_ns = now + renew_in;
        oauth->expires_ns = now + grant->lifetime_s * SECOND_NS;
    } else {
        oauth->renew_ns = now + AGAIN_S * SECOND_NS;
        oauth->failure = bulla_failure_of(call);
        oauth->failure.status = status;
    }
    oauth->outcome = status;
    oauth->num_flights++;
    oauth->is_flying = false;
    unlock(oauth);
    bulla_secret_unref(old);
}

/* The token goes to the caller by hand too: one that has ended before it is here serves him once, and nobody loops. */
static bulla_status fly(bulla_oauth *oauth, bulla_call *call, bulla_secret **out_bearer)
{
    bulla_oauth_grant grant = {.bearer = NULL};
    bulla_status status = oauth->login(oauth->arg, call, &grant);
    if (status == BULLA_OK) *out_bearer = bulla_secret_ref(grant.bearer);
    flight_end(oauth, call, status, &grant);
    bulla_oauth_grant_done(&grant);
    return status;
}

/* A renewal while the old token still serves takes at most half of what the caller has left, and its failure is
 * nobody's business. */
static void fly_ahead(bulla_oauth *oauth, bulla_call *call)
{
    int64_t now = call->env->ticks_ns(call->env->arg), deadline = call->deadline_ns;
    const bulla_failure before = bulla_failure_of(call);
    if (deadline != 0) call->deadline_ns = now + (deadline - now) / 2;
    BULLA_AUTO(bulla_secret) *bearer = NULL;
    bulla_status outcome = fly(oauth, call, &bearer);
    if (outcome != BULLA_OK) bulla_log(oauth->env, BULLA_LOG_WARN, "a token could not be renewed yet: %s", call->why);
    call->deadline_ns = deadline;
    (void)bulla_failure_set(call, &before);
}

/* What a caller has to do next. */
typedef enum turn { TURN_SERVED, TURN_FLY, TURN_FLY_AHEAD, TURN_WAIT } turn;

static turn look(bulla_oauth *oauth, bulla_secret **out_bearer, uint64_t *out_flights)
{
    int64_t now = oauth->env->ticks_ns(oauth->env->arg);
    turn next = TURN_WAIT;
    lock(oauth);
    bool is_good = oauth->bearer != NULL && bulla_secret_is_live(oauth->bearer) && now < oauth->expires_ns;
    bool is_due = !is_good || now >= oauth->renew_ns;
    if (is_good) {
        *out_bearer = bulla_secret_ref(oauth->bearer);
        next = TURN_SERVED;
    }
    if (is_due && !oauth->is_flying) {
        oauth->is_flying = true;
        next = is_good ? TURN_FLY_AHEAD : TURN_FLY;
    }
    *out_flights = oauth->num_flights;
    unlock(oauth);
    return next;
}

/* Waits until the flight that was under way has ended. Its failure is this caller's too, but for its caller's own
 * deadline and cancellation: then there is no news, and the next one flies. */
static bulla_status flight_await(bulla_oauth *oauth, bulla_call *call, uint64_t flights)
{
    static const struct timespec pause = {0, WAIT_NS};
    for (;;) {
        bulla_failure failure = {.status = BULLA_OK};
        BULLA_TRY(bulla_call_check(call));
        (void)nanosleep(&pause, NULL);
        lock(oauth);
        bool is_over = oauth->num_flights != flights || !oauth->is_flying;
        if (oauth->num_flights != flights && oauth->outcome != BULLA_OK) failure = oauth->failure;
        unlock(oauth);
        bool is_news = failure.status != BULLA_OK && bulla_status_class(failure.status) != BULLA_CLASS_STOP;
        if (is_over) return is_news ? bulla_failure_set(call, &failure) : BULLA_OK;
    }
}

bulla_status bulla_oauth_bearer(bulla_oauth *oauth, bulla_call *call, bulla_secret **out_bearer)
{
    for (;;) {
        uint64_t flights = 0;
        BULLA_AUTO(bulla_secret) *bearer = NULL;
        turn next = look(oauth, &bearer, &flights);
        if (next == TURN_FLY) return fly(oauth, call, out_bearer);
        if (next == TURN_FLY_AHEAD) fly_ahead(oauth, call);
        if (bearer != NULL) {
            *out_bearer = BULLA_TAKE(bearer);
            return BULLA_OK;
        }
        BULLA_TRY(flight_await(oauth, call, flights));
    }
}

bool bulla_oauth_refuse(bulla_oauth *oauth, const bulla_secret *bearer, unsigned why)
{
    int64_t now = oauth->env->ticks_ns(oauth->env->arg);
    bulla_secret *old = NULL;
    lock(oauth);
    if (oauth->bearer == bearer) {
        old = BULLA_TAKE(oauth->bearer);
        oauth->refusal = why;
        oauth->refused_ns = now;
    }
    unlock(oauth);
    bulla_secret_unref(old);
    return old != NULL;
}

bool bulla_oauth_keeps(bulla_oauth *oauth, const bulla_secret *bearer)
{
    lock(oauth);
    bool is_kept = oauth->bearer == bearer;
    unlock(oauth);
    return is_kept;
}

unsigned bulla_oauth_refusal(bulla_oauth *oauth, int64_t *out_ns)
{
    lock(oauth);
    unsigned why = oauth->refusal;
    *out_ns = oauth->refused_ns;
    unlock(oauth);
    return why;
}

/* --- requests --- */

bulla_status bulla_oauth_send(bulla_oauth *oauth, bulla_http *http, bulla_call *call, const bulla_http_request *request,
                              bulla_http_answer *out_answer)
{
    bulla_http_header headers[BULLA_HTTP_MAX_HEADERS];
    bulla_http_request signed_request = *request;
    if (request->num_headers + 1 > BULLA_LEN(headers))
        return bulla_fail(call, BULLA_ELIMIT, "a request has at most %u headers", BULLA_HTTP_MAX_HEADERS);
    for (size_t i = 0; i < request->num_headers; i++)
        headers[i + 1] = request->headers[i];
    signed_request.headers = headers;
    signed_request.num_headers = request->num_headers + 1;
    for (unsigned tries = 0;; tries++) {
        BULLA_AUTO(bulla_secret) *bearer = NULL;
        BULLA_TRY(bulla_oauth_bearer(oauth, call, &bearer));
        headers[0] = (bulla_http_header){"Authorization", bulla_secret_borrow(bearer)};
        bulla_status status = bulla_http_send(http, call, &signed_request, out_answer);
        if (status == BULLA_ELIMIT) /* no store says so much */
            call->status = status = request->idempotent ? BULLA_EUNAVAIL : BULLA_EUNKNOWN;
        BULLA_TRY(status);
        if (out_answer->code != 401 || tries != 0) return BULLA_OK;
        bulla_http_answer_done(out_answer);
        (void)bulla_oauth_refuse(oauth, bearer, 1);
    }
}

bulla_status bulla_login_send(bulla_call *call, const bulla_login_site *site, const bulla_http_request *request,
                              bulla_http_answer *out_answer)
{
    BULLA_AUTO(bulla_http) *http = NULL;
    const bulla_http_options options = {
        .store = site->store,
        .tls = {.ca_cert = site->tls->ca_cert,
                .min_version = site->tls->min_version,
                .accept_any_server_certificate = site->tls->accept_any_server_certificate},
        .pool = {.max_connections = 1},
        .timeout_ms = site->timeout_ms,
        .no_proxy = site->is_local,
    };
    BULLA_TRY(bulla_http_open(call, &options, &http));
    bulla_status status = bulla_http_send(http, call, request, out_answer);
    if (status == BULLA_ELIMIT) call->status = status = BULLA_EUNAVAIL; /* nobody who logs others in says so much */
    return status;
}

/* Metadata services answer 404 and 410 while they start or are upgraded, and so does what is no service that logs
 * people in. One that is, and says in its words that the account is not there, has refused: that is no outage, which
 * would let data keys outlive their time. */
static bulla_status login_status(const bulla_login_site *site, int code, const bulla_oauth_error *error)
{
    bool is_gone = code == 404 || code == 410;
    if (code == 429) return BULLA_ETHROTTLED;
    if (code >= 500 || code < 400 || code == 408) return BULLA_EUNAVAIL;
    return is_gone && (site->is_local || error->code[0] == '\0') ? BULLA_EUNAVAIL : BULLA_EAUTHN;
}

bulla_status bulla_login_read(bulla_call *call, const bulla_login_site *site, const bulla_http_answer *answer,
                              bulla_oauth_grant *out_grant)
{
    bulla_oauth_error error;
    int64_t now = answer->date_s != 0 ? answer->date_s : bulla_wall_s(call);
    if (answer->code == 200) {
        bulla_status status = bulla_oauth_grant_read(call, bulla_http_body(answer), now, out_grant);
        if (status != BULLA_EFORMAT) return status;
        return bulla_fail(call, BULLA_EUNAVAIL,
                          "key store \"%s\": what answered the login is no token endpoint; is there a proxy between?",
                          site->store);
    }
    bulla_oauth_error_read(bulla_http_body(answer), &error);
    bulla_status status =
        bulla_fail(call, login_status(site, answer->code, &error),
                   "key store \"%s\": the login was refused with HTTP %d%s%s%s%s", site->store, answer->code,
                   error.code[0] != '\0' ? " " : "", error.code, error.text[0] != '\0' ? ": " : "", error.text);
    if (call != NULL) {
        call->native = answer->code;
        call->retry_after_ms = answer->retry_after_ms;
    }
    return status;
}

bulla_status bulla_login_url_check(bulla_call *call, const char *what, const char *url)
{
    bulla_http_url parsed;
    BULLA_TRY(bulla_http_url_parse(call, url, &parsed));
    bool is_metadata = strcmp(parsed.host, "169.254.169.254") == 0;
    if (strcmp(parsed.scheme, "https") == 0 || parsed.is_loopback || is_metadata) return BULLA_OK;
    return bulla_fail(call, BULLA_ECONFIG, "%s is \"%.100s\": credentials are only sent through https", what, url);
}
