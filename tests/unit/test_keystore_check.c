/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "keystore_kit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void count_finding(void *arg, const char *text)
{
    size_t *num = arg;
    (void)text;
    ++*num;
}

/* A store with some of everything. */
static void fill(kit *self)
{
    char id[33];
    bulla_datakey *datakey = NULL;
    bulla_import import;
    kit_key(self, "a");
    kit_key(self, "b");
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_ok(bulla_key_alias_set(self->house, &self->call, "alias", "a"));
    assert_ok(bulla_datakey_keep(self->house, &self->call, "a", NULL, NULL, id, &datakey));
    assert_ok(bulla_key_import_begin(self->house, &self->call, "c", 3600, &import));
    bulla_datakey_unref(datakey);
}

static void copy_file(const char *from, const char *to)
{
    static uint8_t content[1 << 20];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t len = read(in, content, sizeof content);
    assert_true(len > 0 && len < (ssize_t)sizeof content);
    assert_int_equal(write(out, content, (size_t)len), len);
    (void)close(in);
    (void)close(out);
}

#define EVENT_STAYS                                                                                                    \
    "CREATE TRIGGER event_stays BEFORE DELETE ON event BEGIN SELECT raise(ABORT, 'the history only grows'); END"

static const char *const damages[] = {
    "UPDATE key SET state = 2, primary_version = 0 WHERE name = 'b'",
    "UPDATE key SET primary_version = 3 WHERE name = 'a'",
    "UPDATE key SET primary_version = 1 WHERE name = 'a'",
    "UPDATE key SET state = 9 WHERE name = 'a'",
    "UPDATE key SET type = 7 WHERE name = 'a'",
    "UPDATE key SET type = 2 WHERE name = 'a'",
    "UPDATE key SET state = 3 WHERE name = 'a'",
    "UPDATE key SET state = 4 WHERE name = 'a'",
    "UPDATE key SET state = 5, deletion = 1 WHERE name = 'a'",
    "UPDATE key SET deletion = 5 WHERE name = 'a'",
    "UPDATE key SET rotated = rotated - 1 WHERE name = 'a'",
    "UPDATE key SET num_deks = 2 WHERE name = 'a'",
    "UPDATE key_version SET num_deks = 1 WHERE key = 1 AND version = 1",
    "UPDATE key_version SET sealed = NULL WHERE key = 2",
    "UPDATE key_version SET sealed = zeroblob(81) WHERE key = 2",
    "UPDATE key_version SET sealed = zeroblob(9) WHERE key = 2",
    "UPDATE key_version SET created = 1 WHERE key = 1 AND version = 2",
    "DELETE FROM key_version WHERE key = 1 AND version = 1",
    "UPDATE dek SET blob = zeroblob(81)",
    "UPDATE dek SET id = randomblob(16)",
    "UPDATE dek SET context = x'00'",
    "UPDATE dek SET version = 1",
    "UPDATE dek SET version = 9",
    "UPDATE dek SET key = 2, version = 1",
    "DELETE FROM dek",
    "UPDATE import SET sealed = zeroblob(length(sealed))",
    "UPDATE import SET sealed = x'00'",
    "UPDATE import SET expires = expires + 1",
    "UPDATE import SET public = replace(public, 'A', 'B')",
    "UPDATE alias SET name = 'b'",
    "PRAGMA foreign_keys = OFF; UPDATE alias SET key = 99",
    "DELETE FROM store",
    "DELETE FROM root",
    "UPDATE root SET blob = zeroblob(length(blob))",
    ("DROP TRIGGER event_stays; DELETE FROM event WHERE number = 3;" EVENT_STAYS),
    ("DROP TRIGGER event_stays; DELETE FROM event WHERE number = (SELECT max(number) FROM event);" EVENT_STAYS),
    "DROP TRIGGER event_stays",
    "CREATE TRIGGER spy AFTER UPDATE ON key_version BEGIN INSERT INTO tag VALUES (1, 's', hex(old.sealed)); END",
    "CREATE VIEW keys AS SELECT * FROM key",
    "UPDATE key SET name = printf('%.*c', 200, 'x') WHERE name = 'b'",
    "UPDATE key SET rewrapped = -1 WHERE name = 'b'",
    "UPDATE key SET rewrapped = 9223372036854775807 WHERE name = 'b'",
    "UPDATE root SET generation = 4294967297",
    "DROP INDEX key_name; UPDATE key SET name = 'a'",
};

/* Whatever SQL does to the file is found; each in a copy of its own, so that one does not hide another. */
static void test_every_kind_of_damage_is_found(void **state)
{
    kit *self = *state;
    char copy[160], log[160];
    fill(self);
    kit_sound(self);
    bulla_close(self->house);
    (void)snprintf(copy, sizeof copy, "%s/copy.db", self->dir);
    (void)snprintf(log, sizeof log, "%s-wal", self->db);
    copy_file(self->db, copy);
    for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
        (void)unlink(log);
        copy_file(copy, self->db);
        kit_sql(self, damages[i]);
        self->house = kit_house_open(self, NULL);
        bulla_status status = bulla_keystore_check(self->house, &self->call, NULL, NULL);
        if (status == BULLA_OK) print_message("not found: %s\n", damages[i]);
        assert_status(status, BULLA_ECORRUPT);
        bulla_close(self->house);
    }
    self->house = NULL;
}

static void test_findings_are_told_one_by_one(void **state)
{
    kit *self = *state;
    size_t num = 0;
    fill(self);
    kit_sql(self, "UPDATE key SET num_deks = 5; UPDATE key_version SET num_deks = 7 WHERE key = 2");
    assert_status(bulla_keystore_check(self->house, &self->call, count_finding, &num), BULLA_ECORRUPT);
    assert_int_equal(num, 4);
}

static void test_a_torn_page_is_found(void **state)
{
    kit *self = *state;
    fill(self);
    int64_t page = kit_sql_number(self, "SELECT rootpage FROM sqlite_schema WHERE name = 'key_version'");
    bulla_close(self->house);
    int fd = open(self->db, O_WRONLY | O_CLOEXEC);
    uint8_t noise[600];
    memset(noise, 0xA5, sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, (page - 1) * 4096), sizeof noise);
    (void)close(fd);
    self->house = kit_house_open(self, NULL);
    assert_status(bulla_keystore_check(self->house, &self->call, NULL, NULL), BULLA_ECORRUPT);
}

static void test_a_check_can_be_cancelled(void **state)
{
    kit *self = *state;
    fill(self);
    bulla_call_cancel(&self->call);
    assert_status(bulla_keystore_check(self->house, &self->call, NULL, NULL), BULLA_ECANCELLED);
    self->call.cancelled = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        TEST(test_every_kind_of_damage_is_found),
        TEST(test_findings_are_told_one_by_one),
        TEST(test_a_torn_page_is_found),
        TEST(test_a_check_can_be_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
