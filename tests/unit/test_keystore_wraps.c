/* SPDX-License-Identifier: Apache-2.0 */
/* What a version has wrapped is estimated (spec/keystore.md, Counted wraps). */
#include "cmocka_all.h"
#include "keystore_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define STEP 65536u
#define DUE (UINT64_C(1) << 31)
#define LIMIT ((UINT64_C(1) << 32) - (UINT64_C(1) << 27))
#define NONCE_LEN 12u /* nothing else of this length is drawn */

static uint8_t first, second; /* bytes of the nonces that are drawn next */

static bulla_status draw(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    if (getrandom(out, len, 0) != (ssize_t)len) abort();
    if (len != NONCE_LEN) return BULLA_OK;
    out[0] = first;
    out[1] = second;
    return BULLA_OK;
}

static void count_next(bool counted)
{
    first = second = counted ? 0 : 1;
}

static int setup(void **state)
{
    if (kit_setup(state) != 0) return -1;
    kit *self = *state;
    self->world.env.random = draw;
    count_next(false);
    kit_key(self, "a");
    return 0;
}

static void wrap(kit *self, bool counted)
{
    count_next(counted);
    bulla_wrapped_free(kit_wrap(self, "local:a", 1));
    count_next(false);
}

static bulla_status wrap_status(kit *self, bulla *house)
{
    bulla_provider *provider = NULL;
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    assert_ok(bulla_provider_open(house, &self->call, "local:a", &provider));
    bulla_status status = bulla_provider_datakey(provider, &self->call, NULL, 32, &dek, &wrapped);
    bulla_wrapped_free(wrapped);
    bulla_secret_unref(dek);
    bulla_provider_unref(provider);
    return status;
}

/* How many a version has wrapped, as the store says, and whether it is due; the version that the store has by then. */
typedef struct told {
    uint32_t version;
    uint64_t num_wraps;
    bool is_due;
} told;

static bulla_status see_version(void *arg, bulla_call *call, const bulla_version_info *info)
{
    told *self = arg;
    (void)call;
    if (info->version != self->version) return BULLA_OK;
    self->num_wraps = info->num_wraps;
    self->is_due = info->rotation_due;
    return BULLA_OK;
}

static told told_of(kit *self, uint32_t version)
{
    told seen = {.version = version, .num_wraps = UINT64_MAX};
    assert_ok(bulla_key_versions(self->house, &self->call, "a", see_version, &seen));
    return seen;
}

static void set_wraps(kit *self, uint32_t version, uint64_t num_wraps)
{
    char sql[128];
    (void)snprintf(sql, sizeof sql, "UPDATE key_version SET num_wraps = %llu WHERE key = 1 AND version = %u",
                   (unsigned long long)num_wraps, version);
    kit_sql(self, sql);
}

/* No count can be written any more, as on a full disk. */
static void stop_counts(kit *self)
{
    kit_sql(self, "CREATE TRIGGER full BEFORE UPDATE OF num_wraps ON key_version"
                  " BEGIN SELECT raise(ABORT, 'no room'); END");
}

static void test_a_nonce_that_begins_with_16_zero_bits_counts_for_65536_wraps(void **state)
{
    kit *self = *state;
    wrap(self, false);
    assert_int_equal(told_of(self, 1).num_wraps, 0);
    wrap(self, true);
    assert_int_equal(told_of(self, 1).num_wraps, STEP);
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    wrap(self, false);
    wrap(self, true);
    wrap(self, true);
    kit_house_again(self);
    assert_int_equal(told_of(self, 1).num_wraps, STEP);
    assert_int_equal(told_of(self, 2).num_wraps, 2 * STEP);
    kit_sound(self);
}

static void test_one_zero_byte_does_not_count_and_a_new_version_is_no_wrap(void **state)
{
    kit *self = *state;
    first = 0;
    second = 1;
    assert_ok(wrap_status(self, self->house));
    first = 0x80;
    second = 0;
    assert_ok(wrap_status(self, self->house));
    assert_int_equal(told_of(self, 1).num_wraps, 0);
    count_next(true);
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_int_equal(told_of(self, 1).num_wraps, 0);
    assert_int_equal(told_of(self, 2).num_wraps, 0);
}

static void test_a_version_that_comes_to_2_to_31_is_warned_of_once(void **state)
{
    kit *self = *state;
    set_wraps(self, 1, DUE - STEP);
    assert_false(told_of(self, 1).is_due);
    self->world.last_line[0] = '\0';
    wrap(self, false);
    assert_null(strstr(self->world.last_line, "rotate"));
    wrap(self, true);
    assert_non_null(strstr(self->world.last_line, "version 1 of key \"a\" has wrapped about 2147483648 data keys"));
    assert_non_null(strstr(self->world.last_line, "rotate"));
    assert_true(told_of(self, 1).is_due);
    self->world.last_line[0] = '\0';
    wrap(self, true);
    assert_null(strstr(self->world.last_line, "rotate"));
    assert_int_equal(told_of(self, 1).num_wraps, DUE + STEP);
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_false(told_of(self, 1).is_due); /* it wraps nothing any more */
}

static void test_at_the_limit_nothing_is_wrapped_until_the_key_is_rotated(void **state)
{
    kit *self = *state;
    bulla *other = kit_house_open(self, NULL);
    bulla_wrapped *before = kit_wrap(self, "local:a", 7);
    set_wraps(self, 1, LIMIT - STEP);
    assert_ok(wrap_status(self, self->house));
    assert_ok(wrap_status(self, other));
    wrap(self, true); /* the last one that it may */
    assert_int_equal(told_of(self, 1).num_wraps, LIMIT);
    assert_status(wrap_status(self, self->house), BULLA_ELIMIT);
    assert_non_null(strstr(self->call.why, "rotate the key"));
    assert_status(wrap_status(self, other), BULLA_ELIMIT); /* the other one sees it at once */
    assert_ok(kit_unwrap(self, "local:a", before, 7));
    assert_ok(bulla_key_rotate(other, &self->call, "a", NULL));
    assert_ok(wrap_status(self, self->house));
    bulla_wrapped_free(before);
    bulla_close(other);
    kit_sound(self);
}

static void test_a_count_that_cannot_be_written_does_not_cost_the_wrap(void **state)
{
    kit *self = *state;
    stop_counts(self);
    self->world.last_line[0] = '\0';
    count_next(true);
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 3);
    count_next(false);
    assert_non_null(strstr(self->world.last_line, "65536 data keys wrapped under version 1 are not counted"));
    assert_ok(kit_unwrap(self, "local:a", wrapped, 3));
    assert_int_equal(told_of(self, 1).num_wraps, 0);
    kit_sql(self, "DROP TRIGGER full");
    wrap(self, true);
    assert_int_equal(told_of(self, 1).num_wraps, STEP);
    bulla_wrapped_free(wrapped);
}

static void test_the_last_count_before_the_limit_must_be_written(void **state)
{
    kit *self = *state;
    set_wraps(self, 1, LIMIT - STEP);
    stop_counts(self);
    assert_ok(wrap_status(self, self->house));
    count_next(true);
    assert_status(wrap_status(self, self->house), BULLA_ECORRUPT); /* what SQLite makes of the trigger */
    assert_non_null(strstr(self->call.why, "limit"));
    count_next(false);
    assert_ok(wrap_status(self, self->house));
}

static void keep(kit *self)
{
    char id[33];
    bulla_datakey *datakey = NULL;
    assert_ok(bulla_datakey_keep(self->house, &self->call, "a", NULL, NULL, id, &datakey));
    bulla_datakey_unref(datakey);
}

static void test_a_rewrap_counts_what_it_wraps(void **state)
{
    kit *self = *state;
    for (unsigned i = 0; i < 3; i++) {
        count_next(i == 0); /* what is kept is wrapped as well */
        keep(self);
    }
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    set_wraps(self, 2, DUE - STEP);
    count_next(true);
    self->world.last_line[0] = '\0';
    assert_ok(bulla_key_rewrap(self->house, &self->call, "a", NULL, NULL));
    count_next(false);
    assert_non_null(strstr(self->world.last_line, "rotate"));
    assert_int_equal(told_of(self, 1).num_wraps, STEP);
    assert_int_equal(told_of(self, 2).num_wraps, DUE + 2 * STEP);
    assert_ok(bulla_key_rewrap(self->house, &self->call, "a", NULL, NULL)); /* nothing is left to do */
    assert_int_equal(told_of(self, 2).num_wraps, DUE + 2 * STEP);
    kit_sound(self);
}

static void test_a_rewrap_that_comes_to_the_limit_is_the_last(void **state)
{
    kit *self = *state;
    keep(self);
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    set_wraps(self, 2, LIMIT - STEP);
    assert_ok(wrap_status(self, self->house)); /* the version is open from here on, with that number */
    count_next(true);
    assert_ok(bulla_key_rewrap(self->house, &self->call, "a", NULL, NULL));
    count_next(false);
    assert_int_equal(told_of(self, 2).num_wraps, LIMIT);
    assert_status(wrap_status(self, self->house), BULLA_ELIMIT);
}

static void test_a_rewrap_to_a_version_at_its_limit_is_refused_whole(void **state)
{
    kit *self = *state;
    keep(self);
    keep(self);
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    set_wraps(self, 2, LIMIT);
    assert_status(bulla_key_rewrap(self->house, &self->call, "a", NULL, NULL), BULLA_ELIMIT);
    assert_int_equal(kit_sql_number(self, "SELECT count(*) FROM dek WHERE version = 1"), 2);
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_ok(bulla_key_rewrap(self->house, &self->call, "a", NULL, NULL));
    set_wraps(self, 3, LIMIT);
    assert_ok(bulla_key_rewrap(self->house, &self->call, "a", NULL, NULL)); /* it wraps nothing */
    kit_sound(self);
}

static void test_a_key_with_a_period_is_rotated_early_when_it_is_due(void **state)
{
    kit *self = *state;
    uint32_t num = 9;
    set_wraps(self, 1, DUE);
    assert_ok(bulla_key_rotate_due(self->house, &self->call, &num));
    assert_int_equal(num, 0); /* it is rotated by hand */
    assert_ok(bulla_key_rotation_set(self->house, &self->call, "a", 30 * KIT_DAY_S));
    assert_ok(bulla_key_rotate_due(self->house, &self->call, &num));
    assert_int_equal(num, 1);
    assert_ok(bulla_key_rotate_due(self->house, &self->call, &num));
    assert_int_equal(num, 0);
    assert_int_equal(kit_info(self, "a").primary_version, 2);
}

static void test_a_restored_store_has_the_estimate_of_the_backup(void **state)
{
    kit *self = *state;
    kit_buffer saved = {.data = NULL};
    set_wraps(self, 1, DUE + STEP);
    kit_backup(self, NULL, &saved);
    wrap(self, true);
    kit_store_lose(self);
    kit_ok(self, kit_restore(self, NULL, &saved, NULL));
    assert_int_equal(told_of(self, 1).num_wraps, DUE + STEP);
    wrap(self, true);
    assert_int_equal(told_of(self, 1).num_wraps, DUE + 2 * STEP);
    kit_sound(self);
    free(saved.data);
}

static void test_an_estimate_that_nobody_can_have_written_is_a_finding(void **state)
{
    kit *self = *state;
    static const char *const wrong[] = {"-65536", "65535", "1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char sql[96];
        (void)snprintf(sql, sizeof sql, "UPDATE key_version SET num_wraps = %s", wrong[i]);
        kit_sql(self, sql);
        assert_status(bulla_keystore_check(self->house, &self->call, NULL, NULL), BULLA_ECORRUPT);
    }
    kit_sql(self, "UPDATE key_version SET num_wraps = 0");
    kit_sound(self);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_nonce_that_begins_with_16_zero_bits_counts_for_65536_wraps),
        TEST(test_one_zero_byte_does_not_count_and_a_new_version_is_no_wrap),
        TEST(test_a_version_that_comes_to_2_to_31_is_warned_of_once),
        TEST(test_at_the_limit_nothing_is_wrapped_until_the_key_is_rotated),
        TEST(test_a_count_that_cannot_be_written_does_not_cost_the_wrap),
        TEST(test_the_last_count_before_the_limit_must_be_written),
        TEST(test_a_rewrap_counts_what_it_wraps),
        TEST(test_a_rewrap_that_comes_to_the_limit_is_the_last),
        TEST(test_a_rewrap_to_a_version_at_its_limit_is_refused_whole),
        TEST(test_a_key_with_a_period_is_rotated_early_when_it_is_due),
        TEST(test_a_restored_store_has_the_estimate_of_the_backup),
        TEST(test_an_estimate_that_nobody_can_have_written_is_a_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
