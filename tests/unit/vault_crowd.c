/* SPDX-License-Identifier: Apache-2.0 */
#include "vault_crowd.h"

#include "base/bytes.h"
#include "base/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

vault_crowd crowd;

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_moved = PTHREAD_COND_INITIALIZER;
static size_t passes;

static void pass(void)
{
    (void)pthread_mutex_lock(&gate);
    while (passes == 0)
        (void)pthread_cond_wait(&gate_moved, &gate);
    if (passes != FREELY) passes--;
    (void)pthread_mutex_unlock(&gate);
}

void crowd_gate(size_t num)
{
    (void)pthread_mutex_lock(&gate);
    passes = num;
    (void)pthread_cond_broadcast(&gate_moved);
    (void)pthread_mutex_unlock(&gate);
}

static size_t seen_of(const size_t *num)
{
    return __atomic_load_n(num, __ATOMIC_ACQUIRE);
}

/* The result for one item, as OpenBao gives it. */
static void open_item(bulla_json_value item, const char *reference, bulla_writer *out)
{
    char ciphertext[128] = "", data[16384] = "", text[512];
    (void)bulla_json_text(bulla_json_get(item, "ciphertext"), ciphertext, sizeof ciphertext);
    (void)bulla_json_text(bulla_json_get(item, "associated_data"), data, sizeof data);
    bool is_good = strcmp(data, "AAEABXRhYmxlAAV1c2Vycw==") == 0 || strlen(data) > LONG_CONTEXT;
    const char *plaintext = crowd.lie == BRIEF ? "AAEC" : ciphertext + strlen("vault:v1:");
    (void)snprintf(text, sizeof text, "{\"plaintext\":\"%s\"%s,\"reference\":\"%s\"}", is_good ? plaintext : "",
                   is_good ? "" : ",\"error\":\"cipher: message authentication failed\"", reference);
    bulla_write_view(out, bulla_view_text(text));
}

static size_t lied_index(size_t i, size_t num)
{
    return crowd.lie == SWAPPED && num > 1 ? (i == 0 ? 1 : i == 1 ? 0 : i) : i;
}

static void open_batch(bulla_json_value input, http_reply *reply)
{
    bulla_writer out = bulla_writer_of((uint8_t *)reply->text, sizeof reply->text - 1);
    bulla_json_value items[64];
    size_t num = 0;
    for (bulla_json_value at = bulla_json_first(input); bulla_json_kind_of(at) != BULLA_JSON_NONE;
         at = bulla_json_next(at))
        items[num++] = at;
    (void)__atomic_add_fetch(&crowd.num_items, num, __ATOMIC_RELAXED);
    (void)bulla_json_text(bulla_json_get(items[0], "reference"), crowd.reference, sizeof crowd.reference);
    if (num > crowd.most_items) crowd.most_items = num;
    bulla_write_view(&out, bulla_view_text("{\"data\":{\"batch_results\":["));
    for (size_t i = 0; i < num - (crowd.lie == SHORT); i++) {
        char reference[32] = "";
        bulla_json_value item = items[lied_index(i, num)];
        (void)bulla_json_text(bulla_json_get(items[crowd.lie == CROSSED ? 0 : lied_index(i, num)], "reference"),
                              reference, sizeof reference);
        if (i != 0) bulla_write_u8(&out, ',');
        open_item(item, crowd.lie == NAMELESS ? "" : reference, &out);
    }
    if (crowd.lie == LONG) bulla_write_view(&out, bulla_view_text(",{\"plaintext\":\"\",\"reference\":\"\"}"));
    bulla_write_view(&out, bulla_view_text("]}}"));
    bulla_write_u8(&out, 0);
    reply->body = reply->text;
    reply->code = strstr(reply->text, "error") != NULL ? 400 : 200;
}

static void open_alone(bulla_json_value item, http_reply *reply)
{
    char text[1024] = "";
    bulla_writer out = bulla_writer_of((uint8_t *)text, sizeof text - 1);
    open_item(item, "", &out);
    bool is_good = strstr(text, "error") == NULL;
    reply->code = is_good ? 200 : 400;
    http_reply_print(reply, is_good ? "{\"data\":%s}" : "{\"errors\":[\"cipher: message authentication failed\"]}%.0s",
                     text);
}

static bool decrypt(const http_seen *seen, http_reply *reply)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    if (bulla_json_parse(NULL, bulla_view_of((const uint8_t *)seen->body, seen->body_len), "x", &json) != BULLA_OK)
        abort();
    bulla_json_value input = bulla_json_get(bulla_json_root(json), "batch_input");
    bool is_batch = bulla_json_kind_of(input) != BULLA_JSON_NONE;
    (void)__atomic_add_fetch(is_batch ? &crowd.num_batches : &crowd.num_alone, 1, __ATOMIC_RELEASE);
    pass();
    if (!is_batch && __atomic_exchange_n(&crowd.is_down, false, __ATOMIC_RELAXED)) {
        reply->code = 503;
        reply->body = "{\"errors\":[\"Vault is sealed\"]}";
    } else if (!is_batch)
        open_alone(bulla_json_root(json), reply);
    else
        open_batch(input, reply);
    if (is_batch && crowd.batch_answer != NULL) reply->body = crowd.batch_answer;
    if (is_batch && crowd.batch_answer != NULL) reply->code = crowd.batch_code;
    if (is_batch) reply->fault = crowd.batch_fault;
    return true;
}

/* --- callers --- */

int crowd_setup(void **state)
{
    memset(&crowd, 0, sizeof crowd);
    crowd_gate(FREELY);
    (void)kit_start(state);
    kit.on_decrypt = decrypt;
    kit.config.timeout_ms = 120000;
    kit.config.pool.max_connections = 64;
    assert_ok(bulla_metrics_new(&kit.call, &kit.metrics));
    kit_must_open();
    return 0;
}

uint64_t crowd_metric(const char *name)
{
    return bulla_metric_value(bulla_metrics_counter(kit.metrics, name, "store=\"main\"", ""));
}

bool are_queued(size_t num)
{
    return crowd_metric("bulla_kms_unwraps_queued_total") >= num;
}

bool are_flying(size_t num)
{
    return http_server_num_requests(kit.server) >= num;
}

bool are_batches(size_t num)
{
    return seen_of(&crowd.num_batches) >= num;
}

void crowd_until(bool (*is_so)(size_t num), size_t num)
{
    static const struct timespec millisecond = {0, 1000000};
    for (int i = 0; i < 60000 && !is_so(num); i++)
        (void)nanosleep(&millisecond, NULL);
    assert_true(is_so(num));
}

bulla_status crowd_unwrap(bulla_call *call, bulla_context *context, uint8_t i, bulla_secret **out_dek)
{
    uint8_t key[32];
    char text[64] = "vault:v1:";
    memset(key, i, sizeof key);
    bulla_base64_encode(bulla_view_of(key, sizeof key), text + strlen(text));
    const bulla_wrapped wrapped = {bulla_view_text("vault"), bulla_view_text("transit/keys/app"),
                                   bulla_view_text(text)};
    return bulla_provider_unwrap(kit.key, call, context, &wrapped, out_dek);
}

static void *ask(void *arg)
{
    caller *self = arg;
    self->status = crowd_unwrap(&self->call, self->context, self->i, &self->dek);
    return NULL;
}

void caller_start(caller *who, size_t i)
{
    who->i = (uint8_t)i;
    if (who->call.env == NULL) bulla_call_init(&who->call, &kit.fake.env);
    if (who->context == NULL) who->context = kit.context;
    assert_int_equal(pthread_create(&who->thread, NULL, ask, who), 0);
}

void caller_join(caller *who)
{
    assert_int_equal(pthread_join(who->thread, NULL), 0);
}

void assert_has_key(caller *who)
{
    uint8_t key[32];
    memset(key, who->i, sizeof key);
    if (who->status != BULLA_OK) fail_msg("%u: %s: %s", who->i, bulla_status_name(who->status), who->call.why);
    assert_true(bulla_view_equal(bulla_secret_borrow(who->dek), bulla_view_of(key, sizeof key)));
    bulla_secret_unref(who->dek);
}

void crowd_gather(size_t num)
{
    size_t before = http_server_num_requests(kit.server) + (kit.num_logins == 0), queued = 0;
    crowd_gate(0);
    for (size_t i = 0; i < PLACES; i++)
        caller_start(&crowd.first[i], 100 + i);
    crowd_until(are_flying, before + PLACES);
    queued = crowd_metric("bulla_kms_unwraps_queued_total");
    for (size_t i = 0; i < num; i++) {
        caller_start(&crowd.others[i], i);
        crowd_until(are_queued, queued + i + 1);
    }
}

void crowd_open(void)
{
    size_t before = http_server_num_requests(kit.server);
    crowd_gate(1);
    crowd_until(are_flying, before + 1);
    crowd_gate(FREELY);
}

void crowd_first_join(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        caller_join(&crowd.first[i]);
        assert_has_key(&crowd.first[i]);
    }
}

void assert_all_served(size_t num)
{
    for (size_t i = 0; i < num; i++) {
        caller_join(&crowd.others[i]);
        assert_has_key(&crowd.others[i]);
    }
    crowd_first_join();
}
