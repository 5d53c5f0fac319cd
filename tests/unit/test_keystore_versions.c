/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "keystore_kit.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void test_old_versions_go_on_unwrapping_after_a_rotation(void **state)
{
    kit *self = *state;
    uint32_t version = 0;
    kit_key(self, "a");
    bulla_wrapped *first = kit_wrap(self, "local:a", 1);
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", &version));
    assert_int_equal(version, 2);
    bulla_wrapped *second = kit_wrap(self, "local:a", 2);
    assert_int_equal(first->info.len, second->info.len);
    assert_memory_equal(first->info.data + 33, "0000000001", 10);
    assert_memory_equal(second->info.data + 33, "0000000002", 10);
    kit_house_again(self);
    assert_ok(kit_unwrap(self, "local:a", first, 1));
    assert_ok(kit_unwrap(self, "local:", second, 2));
    bulla_wrapped_free(first);
    bulla_wrapped_free(second);
    kit_sound(self);
}

static void test_two_houses_that_rotate_one_key_make_two_versions(void **state)
{
    kit *self = *state;
    uint32_t a = 0, b = 0;
    bulla *other = kit_house_open(self, NULL);
    kit_key(self, "a");
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", &a));
    assert_ok(bulla_key_rotate(other, &self->call, "a", &b));
    assert_int_equal(a, 2);
    assert_int_equal(b, 3);
    assert_int_equal(kit_info(self, "a").primary_version, 3);
    bulla_close(other);
    kit_sound(self);
}

static void test_what_another_house_does_is_seen_at_the_next_call(void **state)
{
    kit *self = *state;
    bulla *other = kit_house_open(self, NULL);
    kit_key(self, "a");
    bulla_provider *provider = kit_provider(self, "local:a");
    bulla_wrapped *before = kit_wrap(self, "local:a", 1);
    assert_ok(bulla_key_rotate(other, &self->call, "a", NULL));
    bulla_wrapped *after = kit_wrap(self, "local:a", 1);
    assert_memory_equal(after->info.data + 33, "0000000002", 10);
    assert_ok(bulla_key_disable(other, &self->call, "a"));
    bulla_secret *dek = NULL;
    assert_status(bulla_provider_unwrap(provider, &self->call, NULL, before, &dek), BULLA_ESTATE);
    assert_ok(bulla_key_enable(other, &self->call, "a"));
    assert_ok(bulla_provider_unwrap(provider, &self->call, NULL, before, &dek));
    bulla_secret_unref(dek);
    bulla_wrapped_free(before);
    bulla_wrapped_free(after);
    bulla_provider_unref(provider);
    bulla_close(other);
}

static void test_a_wrapped_key_of_another_key_or_store_is_no_key(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    kit_key(self, "b");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 1);
    assert_status(kit_unwrap(self, "local:b", wrapped, 1), BULLA_ENOKEY);
    kit_sql(self, "UPDATE key SET id = randomblob(16) WHERE name = 'a'");
    assert_status(kit_unwrap(self, "local:", wrapped, 1), BULLA_ENOKEY);
    bulla_wrapped_free(wrapped);
}

static void test_no_altered_byte_of_a_wrapped_key_unwraps(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 1);
    uint8_t bytes[256];
    for (size_t i = 0; i < wrapped->info.len + wrapped->blob.len; i++) {
        bulla_wrapped altered = *wrapped;
        bool in_info = i < wrapped->info.len;
        bulla_view *part = in_info ? &altered.info : &altered.blob;
        memcpy(bytes, part->data, part->len);
        bytes[in_info ? i : i - wrapped->info.len] ^= 1;
        part->data = bytes;
        bulla_status status = kit_unwrap(self, "local:", &altered, 1);
        if (in_info && status == BULLA_ENOKEY) continue; /* not one of ours at first sight */
        assert_status(status, BULLA_EINTEGRITY);
    }
    bulla_wrapped_free(wrapped);
}

static void test_material_moved_to_another_row_does_not_open(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    kit_key(self, "b");
    bulla_wrapped *wrapped = kit_wrap(self, "local:b", 1);
    kit_sql(self, "UPDATE key_version SET sealed = (SELECT sealed FROM key_version WHERE key = 1) WHERE key = 2");
    assert_status(kit_unwrap(self, "local:b", wrapped, 1), BULLA_ECORRUPT);
    assert_status(bulla_keystore_check(self->house, &self->call, NULL, NULL), BULLA_ECORRUPT);
    bulla_wrapped_free(wrapped);
}

static void test_due_rotations_are_made_once_and_dates_never_run_back(void **state)
{
    kit *self = *state;
    const bulla_key_options options = {.size = sizeof options, .rotation_period_s = 3600};
    uint32_t num = 9;
    assert_ok(bulla_key_create(self->house, &self->call, "a", &options, NULL));
    kit_key(self, "by-hand");
    assert_ok(bulla_key_rotate_due(self->house, &self->call, &num));
    assert_int_equal(num, 0);
    kit_clock_forward(self, 3601);
    assert_ok(bulla_key_rotate_due(self->house, &self->call, &num));
    assert_int_equal(num, 1);
    int64_t rotated_s = kit_info(self, "a").rotated_s;
    kit_clock_forward(self, -KIT_DAY_S);
    assert_ok(bulla_key_rotate_due(self->house, &self->call, &num));
    assert_int_equal(num, 0);
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_int_equal(kit_info(self, "a").rotated_s, rotated_s);
    assert_int_equal(kit_info(self, "by-hand").primary_version, 1);
    kit_sound(self);
}

static void test_a_root_rotation_protects_every_key_anew_and_changes_no_data_key(void **state)
{
    kit *self = *state;
    bulla_keystore_info info;
    bulla *other = kit_house_open(self, NULL);
    kit_key(self, "a");
    assert_ok(bulla_key_rotate(other, &self->call, "a", NULL));
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 5);
    assert_ok(bulla_keystore_root_rotate(self->house, &self->call, NULL));
    assert_ok(kit_unwrap(self, "local:a", wrapped, 5));
    assert_ok(bulla_keystore_root_rotate(other, &self->call, NULL));
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    kit_house_again(self);
    assert_ok(kit_unwrap(self, "local:a", wrapped, 5));
    assert_ok(bulla_keystore_info_get(self->house, &self->call, &info));
    assert_int_equal(info.root_generation, 3);
    bulla_wrapped_free(wrapped);
    bulla_close(other);
    kit_sound(self);
}

static int64_t hasty_ticks_ns(void *arg)
{
    static int64_t now_ns;
    (void)arg;
    return now_ns += 100000000; /* a tenth of a second at every look */
}

/* While somebody reads an older state the log cannot be emptied. */
static void test_an_old_root_key_leaves_the_files_once_nobody_reads_it(void **state)
{
    kit *self = *state;
    uint8_t blob[256];
    sqlite3 *reader = NULL;
    kit_key(self, "a");
    size_t len = kit_sql_bytes(self, "SELECT blob FROM root", blob, sizeof blob);
    assert_int_equal(sqlite3_open_v2(self->db, &reader, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(reader, "BEGIN; SELECT * FROM root", NULL, NULL, NULL), SQLITE_OK);
    self->world.env.ticks_ns = hasty_ticks_ns;
    bulla_call_deadline_set(&self->call, 10000);
    assert_ok(bulla_keystore_root_rotate(self->house, &self->call, NULL));
    bulla_call_deadline_set(&self->call, 0);
    assert_true(kit_find_in_files(self, blob, len) > 0);
    assert_int_equal(sqlite3_close(reader), SQLITE_OK);
    (void)kit_info(self, "a");
    assert_int_equal(kit_find_in_files(self, blob, len), 0);
}

static void test_a_root_key_of_another_store_is_refused(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    bulla_close(self->house);
    kit_sql(self, "UPDATE store SET id = randomblob(16)");
    self->house = kit_house_open(self, NULL);
    assert_status(bulla_key_rotate(self->house, &self->call, "a", NULL), BULLA_ECONFIG);
}

/* Not "altered message", not "no such key": nothing is wrong with what somebody wants to open. */
static void test_a_wrong_root_key_is_named_with_its_address(void **state)
{
    kit *self = *state;
    char path[128];
    kit_key(self, "a");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 5);
    (void)snprintf(path, sizeof path, "%s/root.key", self->dir);
    assert_int_equal(truncate(path, 0), 0);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite("another root key of 32 bytes....", 1, 32, file), 32);
    (void)fclose(file);
    kit_house_again(self);
    assert_status(kit_unwrap(self, "local:a", wrapped, 5), BULLA_ECONFIG);
    assert_non_null(strstr(self->call.why, "root key"));
    assert_non_null(strstr(self->call.why, path));
    kit_sql(self, "UPDATE root SET address = replace(address, 'name=root', 'name=another')");
    assert_status(kit_unwrap(self, "local:a", wrapped, 5), BULLA_ECONFIG);
    bulla_wrapped_free(wrapped);
}

static void test_a_version_that_does_not_open_stops_a_root_rotation_as_damage(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    kit_sql(self, "UPDATE key_version SET sealed = zeroblob(81)");
    assert_status(bulla_keystore_root_rotate(self->house, &self->call, NULL), BULLA_ECORRUPT);
    kit_sql(self, "DELETE FROM key_version; UPDATE root SET generation = 4294967295");
    assert_status(bulla_keystore_root_rotate(self->house, &self->call, NULL), BULLA_ECORRUPT);
}

static bulla_status count_version(void *arg, bulla_call *call, const bulla_version_info *info)
{
    uint32_t *num = arg;
    (void)call;
    assert_int_equal(info->version, ++*num);
    assert_int_equal(info->primary, info->version == 70);
    return BULLA_OK;
}

static void test_more_versions_than_a_page_are_visited_in_order(void **state)
{
    kit *self = *state;
    uint32_t num = 0;
    kit_key(self, "a");
    for (unsigned i = 1; i < 70; i++)
        assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_ok(bulla_key_versions(self->house, &self->call, "a", count_version, &num));
    assert_int_equal(num, 70);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        TEST(test_old_versions_go_on_unwrapping_after_a_rotation),
        TEST(test_two_houses_that_rotate_one_key_make_two_versions),
        TEST(test_what_another_house_does_is_seen_at_the_next_call),
        TEST(test_a_wrapped_key_of_another_key_or_store_is_no_key),
        TEST(test_no_altered_byte_of_a_wrapped_key_unwraps),
        TEST(test_material_moved_to_another_row_does_not_open),
        TEST(test_due_rotations_are_made_once_and_dates_never_run_back),
        TEST(test_a_root_rotation_protects_every_key_anew_and_changes_no_data_key),
        TEST(test_an_old_root_key_leaves_the_files_once_nobody_reads_it),
        TEST(test_a_root_key_of_another_store_is_refused),
        TEST(test_a_wrong_root_key_is_named_with_its_address),
        TEST(test_a_version_that_does_not_open_stops_a_root_rotation_as_damage),
        TEST(test_more_versions_than_a_page_are_visited_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
