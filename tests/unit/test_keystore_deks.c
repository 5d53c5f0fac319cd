/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "keystore_kit.h"

#include <string.h>

static bulla_context *context_of(kit *self, const char *value)
{
    bulla_context *context = NULL;
    const bulla_pair pair = {{(const uint8_t *)"table", 5}, {(const uint8_t *)value, strlen(value)}};
    assert_ok(bulla_context_new(&self->call, &pair, 1, &context));
    return context;
}

static void keep(kit *self, const char *key, bulla_context *context, char out_id[33])
{
    bulla_datakey *datakey = NULL;
    assert_ok(bulla_datakey_keep(self->house, &self->call, key, context, NULL, out_id, &datakey));
    bulla_datakey_unref(datakey);
}

static bulla_status load(kit *self, const char *id, bulla_context *context)
{
    bulla_datakey *datakey = NULL;
    bulla_status status = bulla_datakey_load(self->house, &self->call, id, context, NULL, &datakey);
    bulla_datakey_unref(datakey);
    return status;
}

static void test_a_kept_data_key_opens_what_it_sealed(void **state)
{
    kit *self = *state;
    bulla_datakey *made = NULL, *loaded = NULL;
    uint8_t sealed[64], plain[16];
    char id[33];
    size_t len = 0;
    bulla_context *context = context_of(self, "orders");
    kit_key(self, "a");
    assert_ok(bulla_datakey_keep(self->house, &self->call, "a", context, NULL, id, &made));
    assert_ok(bulla_record_encrypt(made, NULL, NULL, (bulla_view){(const uint8_t *)"secret", 6}, sealed, sizeof sealed,
                                   &len));
    kit_house_again(self);
    assert_ok(bulla_datakey_load(self->house, &self->call, id, context, NULL, &loaded));
    assert_ok(bulla_record_decrypt(loaded, NULL, NULL, (bulla_view){sealed, len}, plain, sizeof plain, &len));
    assert_memory_equal(plain, "secret", 6);
    bulla_datakey_unref(made);
    bulla_datakey_unref(loaded);
    bulla_context_unref(context);
    kit_sound(self);
}

static void test_a_kept_data_key_needs_its_context_and_its_own_row(void **state)
{
    kit *self = *state;
    char a[33], b[33];
    bulla_context *context = context_of(self, "orders"), *other = context_of(self, "people");
    kit_key(self, "k");
    keep(self, "k", context, a);
    keep(self, "k", context, b);
    assert_ok(load(self, a, context));
    assert_status(load(self, a, other), BULLA_EINTEGRITY);
    assert_status(load(self, a, NULL), BULLA_EINTEGRITY);
    kit_sql(self, "UPDATE dek SET blob = (SELECT blob FROM dek WHERE seq = 2) WHERE seq = 1");
    assert_status(load(self, a, context), BULLA_EINTEGRITY);
    assert_ok(load(self, b, context));
    assert_status(bulla_keystore_check(self->house, &self->call, NULL, NULL), BULLA_ECORRUPT);
    bulla_context_unref(context);
    bulla_context_unref(other);
}

static void test_counts_follow_what_is_kept_and_forgotten(void **state)
{
    kit *self = *state;
    char id[33];
    kit_key(self, "k");
    keep(self, "k", NULL, id);
    assert_ok(bulla_key_rotate(self->house, &self->call, "k", NULL));
    for (int i = 0; i < 3; i++)
        keep(self, "k", NULL, id);
    assert_int_equal(kit_info(self, "k").num_deks, 4);
    assert_int_equal(kit_info(self, "k").num_rewrapped, 3);
    assert_ok(bulla_datakey_forget(self->house, &self->call, id));
    assert_status(bulla_datakey_forget(self->house, &self->call, id), BULLA_ENOKEY);
    assert_status(load(self, id, NULL), BULLA_ENOKEY);
    assert_status(load(self, "no id", NULL), BULLA_EINVAL);
    assert_int_equal(kit_info(self, "k").num_deks, 3);
    assert_int_equal(kit_info(self, "k").num_rewrapped, 2);
    kit_sound(self);
}

typedef struct steps {
    uint64_t num, done, total, cancel_at;
} steps;

static void see_progress(void *arg, bulla_call *call, uint64_t done, uint64_t total)
{
    steps *self = arg;
    assert_true(done >= self->done);
    self->num++;
    self->done = done;
    self->total = total;
    if (self->num == self->cancel_at) bulla_call_cancel(call);
}

static void test_a_rewrap_moves_every_data_key_and_skips_what_is_there(void **state)
{
    kit *self = *state;
    char ids[6][33];
    steps seen = {.num = 0};
    bulla_context *context = context_of(self, "orders");
    kit_key(self, "k");
    kit_key(self, "other");
    for (int i = 0; i < 6; i++) {
        if (i % 2 == 0) assert_ok(bulla_key_rotate(self->house, &self->call, "k", NULL));
        keep(self, i == 3 ? "other" : "k", context, ids[i]);
    }
    assert_ok(bulla_key_rewrap(self->house, &self->call, "k", see_progress, &seen));
    assert_int_equal(seen.done, 5);
    assert_int_equal(seen.total, 5);
    bulla_key_info info = kit_info(self, "k");
    assert_int_equal(info.num_rewrapped, 5);
    assert_int_equal(info.rewrapped_s, self->world.wall_ns / 1000000000);
    for (int i = 0; i < 6; i++)
        assert_ok(load(self, ids[i], context));
    assert_int_equal(kit_sql_number(self, "SELECT count(*) FROM job"), 0);
    bulla_context_unref(context);
    kit_sound(self);
}

/* Rows as a keep would leave them, without a commit for each. */
static void many_rows(kit *self)
{
    char id[33];
    keep(self, "k", NULL, id);
    assert_ok(bulla_key_rotate(self->house, &self->call, "k", NULL));
    for (int i = 0; i < 25; i++)
        keep(self, "k", NULL, id);
    assert_ok(bulla_key_rotate(self->house, &self->call, "k", NULL));
}

/* More than one batch, and rows of two keys in turns: each key's rewrap takes its own rows and no others. */
static void test_a_rewrap_finds_its_rows_among_those_of_other_keys(void **state)
{
    kit *self = *state;
    char id[33];
    bulla_context *context = context_of(self, "orders");
    kit_key(self, "a");
    kit_key(self, "b");
    for (int i = 0; i < 1200; i++)
        keep(self, i % 3 == 0 ? "a" : "b", context, id);
    for (int i = 0; i < 600; i++)
        keep(self, i % 4 == 0 ? "b" : "a", context, id);
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_ok(bulla_key_rewrap(self->house, &self->call, "a", NULL, NULL));
    assert_int_equal(kit_info(self, "a").num_rewrapped, 850);
    assert_int_equal(kit_info(self, "b").num_rewrapped, 950);
    assert_ok(bulla_key_rotate(self->house, &self->call, "b", NULL));
    assert_int_equal(kit_info(self, "b").num_rewrapped, 0);
    assert_ok(bulla_key_rewrap(self->house, &self->call, "b", NULL, NULL));
    assert_int_equal(kit_info(self, "b").num_rewrapped, 950);
    assert_ok(load(self, id, context));
    bulla_context_unref(context);
    kit_sound(self);
}

static void test_a_rewrap_takes_contexts_of_any_length(void **state)
{
    static const size_t lens[] = {1, 40000, 30000, 60000, 2, 60001, 3};
    kit *self = *state;
    char value[60002], ids[7][33];
    kit_key(self, "k");
    bulla_context *contexts[7] = {NULL};
    for (size_t i = 0; i < 7; i++) {
        memset(value, 'a', sizeof value);
        value[lens[i]] = '\0';
        contexts[i] = context_of(self, value);
        keep(self, "k", contexts[i], ids[i]);
    }
    assert_ok(bulla_key_rotate(self->house, &self->call, "k", NULL));
    assert_ok(bulla_key_rewrap(self->house, &self->call, "k", NULL, NULL));
    assert_int_equal(kit_info(self, "k").num_rewrapped, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_ok(load(self, ids[i], contexts[i]));
        bulla_context_unref(contexts[i]);
    }
    kit_sound(self);
}

static void test_a_rewrap_that_was_stopped_goes_on_from_where_it_was(void **state)
{
    kit *self = *state;
    steps seen = {.cancel_at = 1};
    kit_key(self, "k");
    many_rows(self);
    kit_sql(self, "INSERT INTO job (key, version, cursor, started) VALUES (1, 3, 20, 0)");
    assert_status(bulla_key_rewrap(self->house, &self->call, "k", see_progress, &seen), BULLA_ECANCELLED);
    self->call.cancelled = 0;
    assert_int_equal(seen.done, 6);
    assert_int_equal(kit_sql_number(self, "SELECT cursor FROM job"), 26);
    kit_sound(self);
}

static void test_a_rewrap_begun_for_an_older_version_starts_over(void **state)
{
    kit *self = *state;
    kit_key(self, "k");
    many_rows(self);
    kit_sql(self, "INSERT INTO job (key, version, cursor, started) VALUES (1, 2, 20, 0)");
    assert_ok(bulla_key_rewrap(self->house, &self->call, "k", NULL, NULL));
    assert_int_equal(kit_info(self, "k").num_rewrapped, 26);
    kit_sound(self);
}

static void test_a_rewrap_stops_at_a_damaged_row_and_changes_nothing_of_its_step(void **state)
{
    kit *self = *state;
    kit_key(self, "k");
    many_rows(self);
    kit_sql(self, "UPDATE dek SET blob = zeroblob(81) WHERE seq = 9");
    assert_status(bulla_key_rewrap(self->house, &self->call, "k", NULL, NULL), BULLA_ECORRUPT);
    assert_int_equal(kit_sql_number(self, "SELECT count(*) FROM dek WHERE version = 3"), 0);
    assert_ok(bulla_key_disable(self->house, &self->call, "k"));
    assert_status(bulla_key_rewrap(self->house, &self->call, "k", NULL, NULL), BULLA_ESTATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        TEST(test_a_kept_data_key_opens_what_it_sealed),
        TEST(test_a_kept_data_key_needs_its_context_and_its_own_row),
        TEST(test_counts_follow_what_is_kept_and_forgotten),
        TEST(test_a_rewrap_moves_every_data_key_and_skips_what_is_there),
        TEST(test_a_rewrap_finds_its_rows_among_those_of_other_keys),
        TEST(test_a_rewrap_takes_contexts_of_any_length),
        TEST(test_a_rewrap_that_was_stopped_goes_on_from_where_it_was),
        TEST(test_a_rewrap_begun_for_an_older_version_starts_over),
        TEST(test_a_rewrap_stops_at_a_damaged_row_and_changes_nothing_of_its_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
