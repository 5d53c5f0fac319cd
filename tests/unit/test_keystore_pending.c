/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "keystore_kit.h"

#include <sqlite3.h>
#include <string.h>
#include <time.h>

static void schedule(kit *self, const char *key, unsigned days)
{
    int64_t deletion_s = 0;
    assert_ok(bulla_key_deletion_schedule(self->house, &self->call, key, days, &deletion_s));
    assert_int_equal(deletion_s, self->world.wall_ns / 1000000000 + (int64_t)days * KIT_DAY_S);
}

static bulla_status ignore_key(void *arg, bulla_call *call, const bulla_key_info *info)
{
    (void)arg;
    (void)call;
    (void)info;
    return BULLA_OK;
}

static void use_store(kit *self)
{
    assert_ok(bulla_key_list(self->house, &self->call, true, ignore_key, NULL));
}

/* Two uses of the store, more than an hour apart, both after the date. */
static void let_it_pass(kit *self, unsigned days)
{
    kit_clock_forward(self, (int64_t)days * KIT_DAY_S + 1);
    use_store(self);
    kit_clock_forward(self, 3601);
}

static void test_a_scheduled_key_stops_at_once_and_can_be_taken_back(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 3);
    assert_status(bulla_key_deletion_schedule(self->house, &self->call, "a", 6, NULL), BULLA_EINVAL);
    assert_status(bulla_key_deletion_schedule(self->house, &self->call, "a", 31, NULL), BULLA_EINVAL);
    schedule(self, "a", 7);
    assert_status(bulla_key_deletion_schedule(self->house, &self->call, "a", 7, NULL), BULLA_ESTATE);
    assert_status(kit_unwrap(self, "local:a", wrapped, 3), BULLA_ESTATE);
    assert_ok(bulla_key_deletion_cancel(self->house, &self->call, "a"));
    assert_status(bulla_key_deletion_cancel(self->house, &self->call, "a"), BULLA_ESTATE);
    assert_int_equal(kit_info(self, "a").state, BULLA_KEY_DISABLED);
    assert_ok(bulla_key_enable(self->house, &self->call, "a"));
    assert_ok(kit_unwrap(self, "local:a", wrapped, 3));
    bulla_wrapped_free(wrapped);
    kit_sound(self);
}

static void test_one_reading_of_the_clock_never_destroys(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    schedule(self, "a", 7);
    kit_clock_forward(self, 1000 * KIT_DAY_S); /* wrong for a moment */
    use_store(self);
    use_store(self);
    kit_clock_forward(self, -1000 * KIT_DAY_S + 3601);
    use_store(self);
    kit_clock_forward(self, 7 * KIT_DAY_S);
    use_store(self);
    assert_int_equal(kit_info(self, "a").state, BULLA_KEY_PENDING_DELETION);
    kit_clock_forward(self, 3601);
    use_store(self);
    assert_status(bulla_key_enable(self->house, &self->call, "a"), BULLA_EDESTROYED);
}

static void test_a_reading_from_the_future_does_not_put_destruction_off_for_ever(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    schedule(self, "a", 7);
    kit_clock_forward(self, 1000 * KIT_DAY_S);
    use_store(self);
    kit_clock_forward(self, -990 * KIT_DAY_S); /* the date has passed all the same */
    use_store(self);
    kit_clock_forward(self, 3601);
    use_store(self);
    assert_status(bulla_key_enable(self->house, &self->call, "a"), BULLA_EDESTROYED);
}

static void test_a_destroyed_key_is_named_and_its_name_is_free(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 3);
    bulla_key_info old = kit_info(self, "a");
    schedule(self, "a", 7);
    let_it_pass(self, 7);
    assert_status(kit_unwrap(self, "local:", wrapped, 3), BULLA_EDESTROYED);
    assert_non_null(strstr(self->call.why, "key destroyed"));
    assert_non_null(strstr(self->call.why, "\"a\""));
    kit_key(self, "a");
    assert_string_not_equal(kit_info(self, "a").id, old.id);
    assert_status(kit_unwrap(self, "local:", wrapped, 3), BULLA_EDESTROYED);
    assert_status(kit_unwrap(self, "local:a", wrapped, 3), BULLA_ENOKEY);
    assert_int_equal(kit_info(self, old.id).state, BULLA_KEY_DESTROYED);
    kit_clock_forward(self, -100 * KIT_DAY_S);
    assert_status(bulla_key_enable(self->house, &self->call, old.id), BULLA_EDESTROYED);
    bulla_wrapped_free(wrapped);
    kit_sound(self);
}

static void test_destroyed_material_leaves_the_files(void **state)
{
    kit *self = *state;
    uint8_t sealed[128];
    kit_key(self, "a");
    size_t len = kit_sql_bytes(self, "SELECT sealed FROM key_version", sealed, sizeof sealed);
    assert_int_equal(len, 81);
    assert_true(kit_find_in_files(self, sealed, len) > 0);
    schedule(self, "a", 7);
    let_it_pass(self, 7);
    use_store(self);
    assert_int_equal(kit_find_in_files(self, sealed, len), 0);
    kit_sound(self);
}

static void test_a_destroyed_key_loses_its_aliases(void **state)
{
    kit *self = *state;
    bulla_key_info info;
    kit_key(self, "a");
    assert_ok(bulla_key_alias_set(self->house, &self->call, "other", "a"));
    schedule(self, "other", 7);
    let_it_pass(self, 7);
    assert_status(bulla_key_info_get(self->house, &self->call, "other", &info), BULLA_ENOKEY);
    assert_status(bulla_key_info_get(self->house, &self->call, "a", &info), BULLA_EDESTROYED);
    kit_key(self, "other");
    kit_sound(self);
}

static void test_a_read_of_the_store_destroys_even_where_nothing_else_happens(void **state)
{
    kit *self = *state;
    bulla_keystore_info info;
    kit_key(self, "a");
    schedule(self, "a", 30);
    let_it_pass(self, 30);
    kit_house_again(self);
    assert_ok(bulla_keystore_info_get(self->house, &self->call, &info));
    assert_int_equal(info.num_keys, 0);
    assert_int_equal(kit_sql_number(self, "SELECT count(*) FROM key_version WHERE sealed IS NOT NULL"), 0);
}

static double seconds_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void test_what_is_due_waits_for_another_writer_and_requests_do_not(void **state)
{
    kit *self = *state;
    sqlite3 *writer = NULL;
    kit_key(self, "a");
    kit_key(self, "b");
    schedule(self, "a", 7);
    let_it_pass(self, 7);
    assert_int_equal(sqlite3_open_v2(self->db, &writer, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(writer, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    double start = seconds_now();
    assert_int_equal(kit_info(self, "b").state, BULLA_KEY_ENABLED);
    assert_int_equal(kit_info(self, "a").state, BULLA_KEY_PENDING_DELETION);
    assert_true(seconds_now() - start < 5);
    assert_int_equal(sqlite3_close(writer), SQLITE_OK);
    use_store(self);
    assert_status(bulla_key_enable(self->house, &self->call, "a"), BULLA_EDESTROYED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        TEST(test_a_scheduled_key_stops_at_once_and_can_be_taken_back),
        TEST(test_one_reading_of_the_clock_never_destroys),
        TEST(test_a_reading_from_the_future_does_not_put_destruction_off_for_ever),
        TEST(test_a_destroyed_key_is_named_and_its_name_is_free),
        TEST(test_destroyed_material_leaves_the_files),
        TEST(test_a_destroyed_key_loses_its_aliases),
        TEST(test_a_read_of_the_store_destroys_even_where_nothing_else_happens),
        TEST(test_what_is_due_waits_for_another_writer_and_requests_do_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
