/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "keystore_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_a_restored_keystore_opens_everything_and_remembers(void **state)
{
    kit *self = *state;
    kit_buffer saved = {.data = NULL};
    bulla_bytes config = {.data = NULL};
    struct stat file;
    char id[33];
    bulla_datakey *datakey = NULL;
    kit_key(self, "a");
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_ok(bulla_datakey_keep(self->house, &self->call, "a", NULL, NULL, id, &datakey));
    bulla_datakey_unref(datakey);
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 4);
    kit_backup(self, NULL, &saved);
    kit_store_lose(self);
    kit_ok(self, kit_restore(self, NULL, &saved, &config));
    assert_int_equal(config.len, 10);
    assert_memory_equal(config.data, "keystore:\n", 10);
    assert_ok(kit_unwrap(self, "local:a", wrapped, 4));
    assert_int_equal(kit_sql_number(self, "SELECT count(*) FROM event WHERE action = 'store.restore'"), 1);
    assert_int_equal(stat(self->db, &file), 0);
    assert_int_equal(file.st_mode & 0777, 0600);
    kit_sound(self);
    bulla_bytes_done(&config);
    bulla_wrapped_free(wrapped);
    free(saved.data);
}

static void test_another_recipient_opens_a_backup(void **state)
{
    kit *self = *state;
    kit_buffer saved = {.data = NULL};
    char address[192];
    (void)snprintf(address, sizeof address, "file:%s/root.key?namespace=offline&name=spare", self->dir);
    bulla_provider *spare = kit_provider(self, address);
    kit_key(self, "a");
    kit_backup(self, spare, &saved);
    kit_store_lose(self);
    kit_ok(self, kit_restore(self, spare, &saved, NULL));
    assert_string_equal(kit_info(self, "a").name, "a");
    bulla_provider_unref(spare);
    free(saved.data);
}

static void test_a_keystore_is_never_restored_over_another(void **state)
{
    kit *self = *state;
    kit_buffer saved = {.data = NULL};
    kit_key(self, "a");
    kit_backup(self, NULL, &saved);
    kit_key(self, "b");
    assert_status(kit_restore(self, NULL, &saved, NULL), BULLA_EEXISTS);
    assert_string_equal(kit_info(self, "b").name, "b");
    free(saved.data);
}

static void test_a_backup_that_is_cut_or_altered_leaves_nothing(void **state)
{
    kit *self = *state;
    kit_buffer saved = {.data = NULL};
    kit_key(self, "a");
    kit_backup(self, NULL, &saved);
    kit_store_lose(self);
    for (size_t len = 0; len < saved.len; len += len < 600 ? 37 : 4999) {
        kit_buffer cut = {saved.data, len, 0};
        assert_int_not_equal(kit_restore(self, NULL, &cut, NULL), BULLA_OK);
        assert_int_equal(kit_files(self->store), 0);
    }
    for (size_t at = 0; at < saved.len; at += at < 600 ? 37 : 4999) {
        saved.data[at] ^= 0x10;
        assert_int_not_equal(kit_restore(self, NULL, &saved, NULL), BULLA_OK);
        assert_int_equal(kit_files(self->store), 0);
        saved.data[at] ^= 0x10;
    }
    kit_ok(self, kit_restore(self, NULL, &saved, NULL));
    free(saved.data);
}

static void test_a_message_that_is_no_backup_says_so(void **state)
{
    kit *self = *state;
    bulla_bytes message = {.data = NULL};
    bulla_provider *root = kit_provider(self, self->root);
    const bulla_encrypt_options options = {.size = sizeof options, .recipients = &root, .num_recipients = 1};
    assert_ok(bulla_encrypt(&self->call, &options, (bulla_view){(const uint8_t *)"x", 1}, &message));
    kit_buffer from = {message.data, message.len, 0};
    kit_store_lose(self);
    assert_status(kit_restore(self, NULL, &from, NULL), BULLA_EFORMAT);
    bulla_bytes_done(&message);
    bulla_provider_unref(root);
}

static void test_a_damaged_keystore_in_a_genuine_backup_is_not_installed(void **state)
{
    kit *self = *state;
    kit_buffer saved = {.data = NULL};
    kit_key(self, "a");
    kit_sql(self, "UPDATE key_version SET sealed = zeroblob(81)");
    kit_backup(self, NULL, &saved);
    kit_store_lose(self);
    assert_status(kit_restore(self, NULL, &saved, NULL), BULLA_ECORRUPT);
    assert_non_null(strstr(self->call.why, "version 1 does not open"));
    assert_int_equal(kit_files(self->store), 0);
    free(saved.data);
}

/* SQLite would play such a log into the keystore that comes to its place. */
static void test_the_log_of_a_lost_database_is_in_the_way(void **state)
{
    static const char *const logs[] = {"wal", "journal"};
    kit *self = *state;
    kit_buffer saved = {.data = NULL};
    char log[160];
    kit_backup(self, NULL, &saved);
    kit_store_lose(self);
    assert_int_equal(mkdir(self->store, 0700), 0);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(log, sizeof log, "%s-%s", self->db, logs[i]);
        FILE *file = fopen(log, "wb");
        assert_int_equal(fclose(file), 0);
        assert_status(kit_restore(self, NULL, &saved, NULL), BULLA_EEXISTS);
        assert_non_null(strstr(self->call.why, log));
        assert_status(bulla_keystore_create(self->house, &self->call, self->root), BULLA_EEXISTS);
        assert_int_equal(unlink(log), 0);
    }
    kit_ok(self, kit_restore(self, NULL, &saved, NULL));
    free(saved.data);
}

static void test_a_backup_leaves_no_file_behind(void **state)
{
    kit *self = *state;
    kit_buffer saved = {.data = NULL};
    kit_key(self, "a");
    bulla_close(self->house);
    self->house = kit_house_open(self, NULL);
    kit_backup(self, NULL, &saved);
    bulla_close(self->house);
    self->house = NULL;
    assert_int_equal(kit_files(self->store), 1);
    free(saved.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        TEST(test_a_restored_keystore_opens_everything_and_remembers),
        TEST(test_another_recipient_opens_a_backup),
        TEST(test_a_keystore_is_never_restored_over_another),
        TEST(test_a_backup_that_is_cut_or_altered_leaves_nothing),
        TEST(test_a_message_that_is_no_backup_says_so),
        TEST(test_a_damaged_keystore_in_a_genuine_backup_is_not_installed),
        TEST(test_the_log_of_a_lost_database_is_in_the_way),
        TEST(test_a_backup_leaves_no_file_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
