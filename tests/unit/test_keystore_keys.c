/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "keystore_kit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void test_a_new_keystore_is_sound_private_and_empty(void **state)
{
    kit *self = *state;
    struct stat folder, file;
    bulla_keystore_info info;
    assert_ok(bulla_keystore_info_get(self->house, &self->call, &info));
    assert_int_equal(info.num_keys, 0);
    assert_int_equal(info.root_generation, 1);
    assert_string_equal(info.root_address, self->root);
    assert_int_equal(stat(self->store, &folder), 0);
    assert_int_equal(stat(self->db, &file), 0);
    assert_int_equal(folder.st_mode & 0777, 0700);
    assert_int_equal(file.st_mode & 0777, 0600);
    kit_sound(self);
}

static void test_a_second_keystore_in_the_same_folder_is_refused(void **state)
{
    kit *self = *state;
    kit_key(self, "stays");
    assert_status(bulla_keystore_create(self->house, &self->call, self->root), BULLA_EEXISTS);
    assert_string_equal(kit_info(self, "stays").name, "stays");
}

static void test_nothing_is_left_when_the_root_key_cannot_be_used(void **state)
{
    kit *self = *state;
    assert_status(bulla_keystore_create(self->house, &self->call, "file:/nonexistent/key"), BULLA_ENOFILE);
    assert_status(bulla_keystore_create(self->house, &self->call, "local:x"), BULLA_EINVAL);
    assert_int_equal(kit_files(self->store), 0);
    bulla_keystore_info info;
    assert_status(bulla_keystore_info_get(self->house, &self->call, &info), BULLA_ENOFILE);
}

static void test_what_is_no_keystore_or_of_a_later_format_is_refused_unchanged(void **state)
{
    kit *self = *state;
    bulla_keystore_info info;
    bulla_close(self->house);
    kit_sql(self, "PRAGMA user_version = 3");
    self->house = kit_house_open(self, NULL);
    assert_status(bulla_keystore_info_get(self->house, &self->call, &info), BULLA_EUNSUPPORTED);
    kit_sql(self, "PRAGMA user_version = 2; PRAGMA application_id = 7");
    assert_status(bulla_keystore_info_get(self->house, &self->call, &info), BULLA_EFORMAT);
    kit_sql(self, "PRAGMA application_id = 0x42554c4c");
    kit_sound(self);
}

static void test_a_created_key_has_a_version_and_is_found_by_name_and_id(void **state)
{
    kit *self = *state;
    const bulla_key_options options = {.size = sizeof options, .rotation_period_s = 7200};
    bulla_key_info made, found;
    assert_ok(bulla_key_create(self->house, &self->call, "app/db.main-1_x", &options, &made));
    kit_house_again(self);
    found = kit_info(self, "app/db.main-1_x");
    assert_string_equal(found.id, made.id);
    found = kit_info(self, made.id);
    assert_string_equal(found.name, "app/db.main-1_x");
    assert_int_equal(found.created_s, made.created_s);
    assert_int_equal(found.next_rotation_s, made.next_rotation_s);
    assert_int_equal(made.state, BULLA_KEY_ENABLED);
    assert_int_equal(made.type, BULLA_KEY_AES256_GCM);
    assert_int_equal(made.primary_version, 1);
    assert_int_equal(made.next_rotation_s, made.rotated_s + 7200);
    assert_int_equal(strlen(made.id), BULLA_KEY_ID_TEXT);
}

static void test_names_that_could_mislead_are_refused(void **state)
{
    kit *self = *state;
    char longest[BULLA_MAX_NAME + 2];
    static const char *const names[] = {"",     "-x",  "/x",       "a b",
                                        "a\nb", "a:b", "\xC3\xA4", "0123456789abcdef0123456789ABCDEF"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_status(bulla_key_create(self->house, &self->call, names[i], NULL, NULL), BULLA_EINVAL);
    memset(longest, 'n', sizeof longest);
    longest[BULLA_MAX_NAME + 1] = '\0';
    assert_status(bulla_key_create(self->house, &self->call, longest, NULL, NULL), BULLA_EINVAL);
    longest[BULLA_MAX_NAME] = '\0';
    kit_key(self, longest);
    assert_string_equal(kit_info(self, longest).name, longest);
}

static void test_a_name_in_use_and_a_short_period_are_refused(void **state)
{
    kit *self = *state;
    bulla_key_options options = {.size = sizeof options, .rotation_period_s = 3599};
    kit_key(self, "a");
    assert_status(bulla_key_create(self->house, &self->call, "a", NULL, NULL), BULLA_EEXISTS);
    assert_status(bulla_key_create(self->house, &self->call, "b", &options, NULL), BULLA_EINVAL);
    options = (bulla_key_options){.size = sizeof options, .type = BULLA_KEY_RSA};
    assert_status(bulla_key_create(self->house, &self->call, "b", &options, NULL), BULLA_EUNSUPPORTED);
    bulla_key_info info;
    assert_status(bulla_key_info_get(self->house, &self->call, "b", &info), BULLA_ENOKEY);
}

typedef struct seen {
    size_t num;
    char last[132];
    bool sorted;
} seen;

static bulla_status see_key(void *arg, bulla_call *call, const bulla_key_info *info)
{
    seen *self = arg;
    (void)call;
    self->sorted = self->sorted && strcmp(self->last, info->name) < 0;
    memcpy(self->last, info->name, sizeof self->last);
    self->num++;
    return BULLA_OK;
}

static void test_more_keys_than_a_page_are_listed_in_order(void **state)
{
    kit *self = *state;
    for (unsigned i = 0; i < 200; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "k%u", (i * 77) % 200);
        kit_key(self, name);
    }
    seen all = {.sorted = true};
    assert_ok(bulla_key_list(self->house, &self->call, true, see_key, &all));
    assert_int_equal(all.num, 200);
    assert_true(all.sorted);
}

static bulla_status stop_at_three(void *arg, bulla_call *call, const bulla_key_info *info)
{
    size_t *num = arg;
    bulla_key_info again;
    (void)info;
    assert_ok(bulla_key_info_get(((kit *)call->env->arg)->house, call, "k1", &again)); /* nothing is locked */
    return ++*num == 3 ? bulla_fail(call, BULLA_ECANCELLED, "enough") : BULLA_OK;
}

static void test_a_visitor_may_call_back_and_ends_the_walk_by_failing(void **state)
{
    kit *self = *state;
    size_t num = 0;
    assert_ptr_equal(self->call.env->arg, self); /* the fake world is the kit's first member */
    for (unsigned i = 0; i < 5; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "k%u", i);
        kit_key(self, name);
    }
    assert_status(bulla_key_list(self->house, &self->call, false, stop_at_three, &num), BULLA_ECANCELLED);
    assert_int_equal(num, 3);
}

static void test_a_disabled_key_neither_wraps_nor_unwraps_until_enabled(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 7);
    assert_ok(bulla_key_disable(self->house, &self->call, "a"));
    assert_ok(bulla_key_disable(self->house, &self->call, "a"));
    assert_status(kit_unwrap(self, "local:a", wrapped, 7), BULLA_ESTATE);
    assert_status(kit_unwrap(self, "local:", wrapped, 7), BULLA_ESTATE);
    assert_status(bulla_key_rotate(self->house, &self->call, "a", NULL), BULLA_ESTATE);
    assert_ok(bulla_key_enable(self->house, &self->call, "a"));
    assert_ok(kit_unwrap(self, "local:a", wrapped, 7));
    bulla_wrapped_free(wrapped);
    kit_sound(self);
}

static void test_a_clock_before_1970_damages_nothing(void **state)
{
    kit *self = *state;
    bulla_key_info info;
    self->world.wall_ns = -INT64_C(86400000000000);
    kit_key(self, "a");
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_ok(bulla_key_info_get(self->house, &self->call, "a", &info));
    assert_true(info.created_s > 0 && info.rotated_s > 0); /* 0 is "never" */
    kit_sound(self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_new_keystore_is_sound_private_and_empty, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(test_a_second_keystore_in_the_same_folder_is_refused, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_left_when_the_root_key_cannot_be_used, kit_setup_bare,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_keystore_or_of_a_later_format_is_refused_unchanged, kit_setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(test_a_created_key_has_a_version_and_is_found_by_name_and_id, kit_setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(test_names_that_could_mislead_are_refused, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(test_a_name_in_use_and_a_short_period_are_refused, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(test_more_keys_than_a_page_are_listed_in_order, kit_setup, kit_teardown),
        cmocka_unit_test_setup_teardown(test_a_visitor_may_call_back_and_ends_the_walk_by_failing, kit_setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(test_a_disabled_key_neither_wraps_nor_unwraps_until_enabled, kit_setup,
                                        kit_teardown),
        cmocka_unit_test_setup_teardown(test_a_clock_before_1970_damages_nothing, kit_setup, kit_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
