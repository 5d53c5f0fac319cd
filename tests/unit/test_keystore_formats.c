/* SPDX-License-Identifier: Apache-2.0 */
/* Stores and backups of format 1, which the library made before it counted wraps (spec/keystore.md, Versions). */
#include "base/bytes.h"
#include "cmocka_all.h"
#include "keystore/container.h"
#include "keystore_kit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUM_PROGRAMS 6

static const char back_to_1[] = "ALTER TABLE key_version DROP COLUMN num_wraps; PRAGMA user_version = 1;";

static void age(kit *self)
{
    bulla_close(self->house);
    kit_sql(self, back_to_1);
    self->house = kit_house_open(self, NULL);
}

static void test_a_store_of_format_1_is_converted_and_loses_nothing(void **state)
{
    kit *self = *state;
    bulla_keystore_info info;
    kit_key(self, "a");
    bulla_wrapped *before = kit_wrap(self, "local:a", 4);
    int64_t lines = kit_sql_number(self, "SELECT count(*) FROM event");
    age(self);
    assert_ok(kit_unwrap(self, "local:a", before, 4));
    assert_int_equal(kit_sql_number(self, "PRAGMA user_version"), 2);
    assert_int_equal(kit_sql_number(self, "SELECT num_wraps FROM key_version"), 0);
    assert_int_equal(kit_sql_number(self, "SELECT count(*) FROM event"), lines);
    assert_ok(bulla_keystore_info_get(self->house, &self->call, &info));
    assert_int_equal(info.format, 2);
    kit_sound(self); /* the tables are those of a store that was made in format 2 */
    bulla_wrapped_free(before);
}

static void test_a_second_house_finds_the_store_converted(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    age(self);
    bulla *other = kit_house_open(self, NULL);
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 4);
    bulla_key_info info;
    assert_ok(bulla_key_info_get(other, &self->call, "a", &info));
    assert_ok(bulla_key_rotate(other, &self->call, "a", NULL));
    assert_ok(kit_unwrap(self, "local:a", wrapped, 4));
    bulla_wrapped_free(wrapped);
    bulla_close(other);
    kit_sound(self);
}

typedef struct program {
    kit *self;
    pthread_barrier_t *all_are_ready;
    pthread_t thread;
    bulla_status status;
    char why[256];
} program;

static bulla_status open_and_look(bulla_call *call, const char *store)
{
    bulla *house = NULL;
    bulla_key_info info;
    const bulla_options options = {.size = sizeof options, .store = store};
    bulla_status status = bulla_open(call, &options, &house);
    if (status == BULLA_OK) status = bulla_key_info_get(house, call, "a", &info);
    bulla_close(house);
    return status;
}

static void *program_run(void *arg)
{
    program *own = arg;
    bulla_call call;
    bulla_call_init(&call, &own->self->world.env);
    (void)pthread_barrier_wait(own->all_are_ready);
    own->status = open_and_look(&call, own->self->store);
    memcpy(own->why, call.why, sizeof own->why);
    return NULL;
}

static void test_many_that_find_format_1_at_once_all_go_on(void **state)
{
    kit *self = *state;
    program programs[NUM_PROGRAMS];
    pthread_barrier_t all_are_ready;
    kit_key(self, "a");
    bulla_close(BULLA_TAKE(self->house));
    kit_sql(self, back_to_1);
    assert_int_equal(pthread_barrier_init(&all_are_ready, NULL, NUM_PROGRAMS), 0);
    for (size_t i = 0; i < NUM_PROGRAMS; i++) {
        programs[i] = (program){.self = self, .all_are_ready = &all_are_ready};
        assert_int_equal(pthread_create(&programs[i].thread, NULL, program_run, &programs[i]), 0);
    }
    for (size_t i = 0; i < NUM_PROGRAMS; i++)
        assert_int_equal(pthread_join(programs[i].thread, NULL), 0);
    for (size_t i = 0; i < NUM_PROGRAMS; i++) {
        if (programs[i].status != BULLA_OK) print_message("%s\n", programs[i].why);
        assert_ok(programs[i].status);
    }
    (void)pthread_barrier_destroy(&all_are_ready);
    self->house = kit_house_open(self, NULL);
    kit_sound(self);
}

/* --- a backup as it was made of format 1 --- */

static void put(kit_buffer *out, bulla_view bytes)
{
    out->data = realloc(out->data, out->len + bytes.len);
    assert_non_null(out->data);
    memcpy(out->data + out->len, bytes.data, bytes.len);
    out->len += bytes.len;
}

/* The part that holds the database, as format 1 has it. */
static void database_age(const kit *self, bulla_view part, kit_buffer *out)
{
    kit old = *self;
    uint8_t piece[4096];
    (void)snprintf(old.db, sizeof old.db, "%s/old.db", self->dir);
    FILE *file = fopen(old.db, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(part.data, 1, part.len, file), part.len);
    assert_int_equal(fclose(file), 0);
    kit_sql(&old, back_to_1);
    file = fopen(old.db, "rb");
    assert_non_null(file);
    for (size_t len = fread(piece, 1, sizeof piece, file); len != 0; len = fread(piece, 1, sizeof piece, file))
        put(out, bulla_view_of(piece, len));
    assert_int_equal(fclose(file), 0);
}

static void manifest_age(bulla_view part, kit_buffer *out)
{
    put(out, part);
    uint8_t *said = memmem(out->data, out->len, "format=2\n", 9);
    assert_non_null(said);
    said[7] = '1';
}

typedef struct aging {
    const kit *kit;
    kit_buffer parts[4];
} aging;

static bulla_status part_take(void *arg, bulla_call *call, bulla_part part, bulla_view piece)
{
    aging *self = arg;
    (void)call;
    put(&self->parts[part - 1], piece);
    return BULLA_OK;
}

static void part_age(aging *self, bulla_part part)
{
    kit_buffer was = self->parts[part - 1];
    kit_buffer *now = &self->parts[part - 1];
    if (part != BULLA_PART_MANIFEST && part != BULLA_PART_KEYSTORE) return;
    *now = (kit_buffer){.data = NULL};
    if (part == BULLA_PART_MANIFEST) manifest_age(bulla_view_of(was.data, was.len), now);
    if (part == BULLA_PART_KEYSTORE) database_age(self->kit, bulla_view_of(was.data, was.len), now);
    free(was.data);
}

static void container_age(kit *self, bulla_view container, kit_buffer *out)
{
    aging parts = {.kit = self};
    bulla_container reader = {.visit = part_take, .arg = &parts};
    uint8_t head[BULLA_CONTAINER_HEAD], end[BULLA_CONTAINER_END];
    assert_ok(bulla_container_read(&reader, &self->call, container));
    assert_ok(bulla_container_finish(&reader, &self->call));
    bulla_container_start(head);
    put(out, bulla_view_of(head, sizeof head));
    for (unsigned i = 0; i < 4; i++) {
        part_age(&parts, (bulla_part)(i + 1));
        bulla_container_head((bulla_part)(i + 1), parts.parts[i].len, head);
        put(out, bulla_view_of(head, sizeof head));
        put(out, bulla_view_of(parts.parts[i].data, parts.parts[i].len));
        free(parts.parts[i].data);
    }
    bulla_container_end(4, out->len, end);
    put(out, bulla_view_of(end, sizeof end));
}

static void backup_age(kit *self, kit_buffer *backup)
{
    bulla_bytes container = {.data = NULL}, message = {.data = NULL};
    bulla_message *old = NULL;
    kit_buffer aged = {.data = NULL};
    bulla_provider *root = kit_provider(self, self->root);
    const bulla_decrypt_options in = {.size = sizeof in, .recipients = &root, .num_recipients = 1};
    assert_ok(bulla_decrypt(&self->call, &in, bulla_view_of(backup->data, backup->len), &container));
    container_age(self, bulla_view_of(container.data, container.len), &aged);
    const bulla_source source = {kit_buffer_read, backup};
    backup->at = 0;
    assert_ok(bulla_message_open(&self->call, &source, &old));
    const bulla_encrypt_options again = {.size = sizeof again,
                                         .recipients = &root,
                                         .num_recipients = 1,
                                         .context = bulla_message_info_get(old)->context};
    assert_ok(bulla_encrypt(&self->call, &again, bulla_view_of(aged.data, aged.len), &message));
    free(backup->data);
    *backup = (kit_buffer){.data = NULL};
    put(backup, bulla_view_of(message.data, message.len));
    bulla_message_close(old);
    bulla_bytes_done(&container);
    bulla_bytes_done(&message);
    bulla_provider_unref(root);
    free(aged.data);
}

static void test_a_backup_of_format_1_is_restored_and_converted(void **state)
{
    kit *self = *state;
    kit_buffer saved = {.data = NULL};
    kit_key(self, "a");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 4);
    kit_backup(self, NULL, &saved);
    backup_age(self, &saved);
    kit_store_lose(self);
    kit_ok(self, kit_restore(self, NULL, &saved, NULL));
    assert_ok(kit_unwrap(self, "local:a", wrapped, 4));
    assert_int_equal(kit_sql_number(self, "PRAGMA user_version"), 2);
    kit_sound(self);
    bulla_wrapped_free(wrapped);
    free(saved.data);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_store_of_format_1_is_converted_and_loses_nothing),
        TEST(test_a_second_house_finds_the_store_converted),
        TEST(test_many_that_find_format_1_at_once_all_go_on),
        TEST(test_a_backup_of_format_1_is_restored_and_converted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
