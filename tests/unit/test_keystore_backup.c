/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "keystore_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct buffer {
    uint8_t *data;
    size_t len, at;
} buffer;

static bulla_status buffer_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    buffer *self = arg;
    (void)call;
    assert_int_equal(offset, self->len);
    self->data = realloc(self->data, self->len + bytes.len);
    assert_non_null(self->data);
    memcpy(self->data + self->len, bytes.data, bytes.len);
    self->len += bytes.len;
    return BULLA_OK;
}

static bulla_status buffer_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    buffer *self = arg;
    (void)call;
    size_t left = self->len - self->at;
    *out_len = left < len ? left : len;
    memcpy(buf, self->data + self->at, *out_len);
    self->at += *out_len;
    return BULLA_OK;
}

static void backup(kit *self, bulla_provider *extra, buffer *out)
{
    const bulla_sink sink = {buffer_write, out, false};
    const bulla_view config = {(const uint8_t *)"keystore:\n", 10};
    kit_ok(self, bulla_backup(self->house, &self->call, config, &extra, extra == NULL ? 0 : 1, &sink));
}

/* Moves the store away, so that the same path is empty again. */
static void lose_the_store(kit *self)
{
    char away[128];
    bulla_close(self->house);
    (void)snprintf(away, sizeof away, "%s/lost", self->dir);
    assert_int_equal(rename(self->store, away), 0);
    self->house = kit_house_open(self, NULL);
}

static bulla_status restore(kit *self, bulla_provider *extra, buffer *from, bulla_bytes *out_config)
{
    const bulla_source source = {buffer_read, from};
    from->at = 0;
    return bulla_restore(self->house, &self->call, &extra, extra == NULL ? 0 : 1, &source, out_config);
}

static void test_a_restored_keystore_opens_everything_and_remembers(void **state)
{
    kit *self = *state;
    buffer saved = {.data = NULL};
    bulla_bytes config = {.data = NULL};
    struct stat file;
    char id[33];
    bulla_datakey *datakey = NULL;
    kit_key(self, "a");
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_ok(bulla_datakey_keep(self->house, &self->call, "a", NULL, NULL, id, &datakey));
    bulla_datakey_unref(datakey);
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 4);
    backup(self, NULL, &saved);
    lose_the_store(self);
    kit_ok(self, restore(self, NULL, &saved, &config));
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
    buffer saved = {.data = NULL};
    char address[192];
    (void)snprintf(address, sizeof address, "file:%s/root.key?namespace=offline&name=spare", self->dir);
    bulla_provider *spare = kit_provider(self, address);
    kit_key(self, "a");
    backup(self, spare, &saved);
    lose_the_store(self);
    kit_ok(self, restore(self, spare, &saved, NULL));
    assert_string_equal(kit_info(self, "a").name, "a");
    bulla_provider_unref(spare);
    free(saved.data);
}

static void test_a_keystore_is_never_restored_over_another(void **state)
{
    kit *self = *state;
    buffer saved = {.data = NULL};
    kit_key(self, "a");
    backup(self, NULL, &saved);
    kit_key(self, "b");
    assert_status(restore(self, NULL, &saved, NULL), BULLA_EEXISTS);
    assert_string_equal(kit_info(self, "b").name, "b");
    free(saved.data);
}

static void test_a_backup_that_is_cut_or_altered_leaves_nothing(void **state)
{
    kit *self = *state;
    buffer saved = {.data = NULL};
    kit_key(self, "a");
    backup(self, NULL, &saved);
    lose_the_store(self);
    for (size_t len = 0; len < saved.len; len += len < 600 ? 37 : 4999) {
        buffer cut = {saved.data, len, 0};
        assert_int_not_equal(restore(self, NULL, &cut, NULL), BULLA_OK);
        assert_int_equal(kit_files(self->store), 0);
    }
    for (size_t at = 0; at < saved.len; at += at < 600 ? 37 : 4999) {
        saved.data[at] ^= 0x10;
        assert_int_not_equal(restore(self, NULL, &saved, NULL), BULLA_OK);
        assert_int_equal(kit_files(self->store), 0);
        saved.data[at] ^= 0x10;
    }
    kit_ok(self, restore(self, NULL, &saved, NULL));
    free(saved.data);
}

static void test_a_message_that_is_no_backup_says_so(void **state)
{
    kit *self = *state;
    bulla_bytes message = {.data = NULL};
    bulla_provider *root = kit_provider(self, self->root);
    const bulla_encrypt_options options = {.size = sizeof options, .recipients = &root, .num_recipients = 1};
    assert_ok(bulla_encrypt(&self->call, &options, (bulla_view){(const uint8_t *)"x", 1}, &message));
    buffer from = {message.data, message.len, 0};
    lose_the_store(self);
    assert_status(restore(self, NULL, &from, NULL), BULLA_EFORMAT);
    bulla_bytes_done(&message);
    bulla_provider_unref(root);
}

static void test_a_damaged_keystore_in_a_genuine_backup_is_not_installed(void **state)
{
    kit *self = *state;
    buffer saved = {.data = NULL};
    kit_key(self, "a");
    kit_sql(self, "UPDATE key_version SET sealed = zeroblob(81)");
    backup(self, NULL, &saved);
    lose_the_store(self);
    assert_status(restore(self, NULL, &saved, NULL), BULLA_ECORRUPT);
    assert_non_null(strstr(self->call.why, "version 1 does not open"));
    assert_int_equal(kit_files(self->store), 0);
    free(saved.data);
}

/* SQLite would play such a log into the keystore that comes to its place. */
static void test_the_log_of_a_lost_database_is_in_the_way(void **state)
{
    static const char *const logs[] = {"wal", "journal"};
    kit *self = *state;
    buffer saved = {.data = NULL};
    char log[160];
    backup(self, NULL, &saved);
    lose_the_store(self);
    assert_int_equal(mkdir(self->store, 0700), 0);
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(log, sizeof log, "%s-%s", self->db, logs[i]);
        FILE *file = fopen(log, "wb");
        assert_int_equal(fclose(file), 0);
        assert_status(restore(self, NULL, &saved, NULL), BULLA_EEXISTS);
        assert_non_null(strstr(self->call.why, log));
        assert_status(bulla_keystore_create(self->house, &self->call, self->root), BULLA_EEXISTS);
        assert_int_equal(unlink(log), 0);
    }
    kit_ok(self, restore(self, NULL, &saved, NULL));
    free(saved.data);
}

static void test_a_backup_leaves_no_file_behind(void **state)
{
    kit *self = *state;
    buffer saved = {.data = NULL};
    kit_key(self, "a");
    bulla_close(self->house);
    self->house = kit_house_open(self, NULL);
    backup(self, NULL, &saved);
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
