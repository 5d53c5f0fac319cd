/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "keystore_kit.h"

#include <stdio.h>
#include <string.h>

static void test_an_alias_stands_for_its_key_and_can_be_moved(void **state)
{
    kit *self = *state;
    bulla_key_info info;
    kit_key(self, "a");
    kit_key(self, "b");
    assert_ok(bulla_key_alias_set(self->house, &self->call, "main", "a"));
    assert_string_equal(kit_info(self, "main").name, "a");
    assert_ok(bulla_key_alias_set(self->house, &self->call, "main", "b"));
    assert_string_equal(kit_info(self, "main").name, "b");
    assert_status(bulla_key_alias_set(self->house, &self->call, "a", "b"), BULLA_EEXISTS);
    assert_status(bulla_key_create(self->house, &self->call, "main", NULL, NULL), BULLA_EEXISTS);
    assert_ok(bulla_key_alias_set(self->house, &self->call, "main", NULL));
    assert_status(bulla_key_alias_set(self->house, &self->call, "main", NULL), BULLA_ENOKEY);
    assert_status(bulla_key_info_get(self->house, &self->call, "main", &info), BULLA_ENOKEY);
    kit_sound(self);
}

static bulla_status see_label(void *arg, bulla_call *call, const char *name, const char *value)
{
    char *all = arg;
    (void)call;
    (void)snprintf(all + strlen(all), 256 - strlen(all), "%s=%s;", name, value);
    return BULLA_OK;
}

static void test_tags_and_aliases_are_visited_by_name(void **state)
{
    kit *self = *state;
    char tags[256] = "", aliases[256] = "";
    kit_key(self, "a");
    assert_ok(bulla_key_tag_set(self->house, &self->call, "a", "team", "store"));
    assert_ok(bulla_key_tag_set(self->house, &self->call, "a", "env", "test"));
    assert_ok(bulla_key_tag_set(self->house, &self->call, "a", "env", "live \xC3\xA4"));
    assert_ok(bulla_key_tag_set(self->house, &self->call, "a", "old", ""));
    assert_ok(bulla_key_tag_set(self->house, &self->call, "a", "old", NULL));
    assert_ok(bulla_key_alias_set(self->house, &self->call, "y", "a"));
    assert_ok(bulla_key_alias_set(self->house, &self->call, "x", "a"));
    assert_ok(bulla_key_tags(self->house, &self->call, "a", see_label, tags));
    assert_ok(bulla_key_aliases(self->house, &self->call, "y", see_label, aliases));
    assert_string_equal(tags, "env=live \xC3\xA4;team=store;");
    assert_string_equal(aliases, "x=;y=;");
}

static void test_a_tag_too_many_too_long_or_not_text_is_refused(void **state)
{
    kit *self = *state;
    char name[16], value[258];
    kit_key(self, "a");
    for (unsigned i = 0; i < 50; i++) {
        (void)snprintf(name, sizeof name, "t%u", i);
        assert_ok(bulla_key_tag_set(self->house, &self->call, "a", name, "v"));
    }
    assert_ok(bulla_key_tag_set(self->house, &self->call, "a", "t7", "w"));
    assert_status(bulla_key_tag_set(self->house, &self->call, "a", "one-more", "v"), BULLA_ELIMIT);
    memset(value, 'v', sizeof value);
    value[257] = '\0';
    assert_status(bulla_key_tag_set(self->house, &self->call, "a", "t7", value), BULLA_ELIMIT);
    value[256] = '\0';
    assert_ok(bulla_key_tag_set(self->house, &self->call, "a", "t7", value));
    assert_status(bulla_key_tag_set(self->house, &self->call, "a", "t7", "\xFF"), BULLA_EINVAL);
    assert_status(bulla_key_tag_set(self->house, &self->call, "a", "t7", "a\nb"), BULLA_EINVAL);
}

typedef struct story {
    char text[1024];
    uint64_t last;
} story;

static bulla_status see_event(void *arg, bulla_call *call, const bulla_event *event)
{
    story *self = arg;
    (void)call;
    assert_true(event->number > self->last);
    self->last = event->number;
    (void)snprintf(self->text + strlen(self->text), sizeof self->text - strlen(self->text), "%s(%s,%s) ", event->action,
                   event->key_name, event->principal);
    return BULLA_OK;
}

static void test_the_history_tells_who_did_what_and_nothing_of_what_failed(void **state)
{
    kit *self = *state;
    story of_a = {.last = 0}, all = {.last = 0};
    (void)snprintf(self->call.principal, sizeof self->call.principal, "ada");
    kit_key(self, "a");
    kit_key(self, "b");
    assert_ok(bulla_key_rotate(self->house, &self->call, "a", NULL));
    assert_status(bulla_key_rotate(self->house, &self->call, "c", NULL), BULLA_ENOKEY);
    assert_ok(bulla_key_disable(self->house, &self->call, "a"));
    assert_status(bulla_key_rotate(self->house, &self->call, "a", NULL), BULLA_ESTATE);
    assert_ok(bulla_key_history(self->house, &self->call, "a", see_event, &of_a));
    assert_ok(bulla_key_history(self->house, &self->call, NULL, see_event, &all));
    assert_string_equal(of_a.text, "key.create(a,ada) key.rotate(a,ada) key.disable(a,ada) ");
    assert_int_equal(all.last, 5);
    assert_non_null(strstr(all.text, "store.create(,uid:"));
}

static void test_the_history_can_not_be_changed_through_sql(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    assert_false(kit_sql_try(self, "DELETE FROM event"));
    assert_false(kit_sql_try(self, "UPDATE event SET action = 'x'"));
    assert_int_equal(kit_sql_number(self, "SELECT count(*) FROM event"), 2);
}

static void test_a_caller_whose_name_could_forge_a_line_is_not_admitted(void **state)
{
    kit *self = *state;
    (void)snprintf(self->call.principal, sizeof self->call.principal, "ada\n7 key.rotate");
    assert_status(bulla_key_create(self->house, &self->call, "a", NULL, NULL), BULLA_EAUTHN);
    memset(self->call.principal, 'a', sizeof self->call.principal);
    assert_status(bulla_key_create(self->house, &self->call, "a", NULL, NULL), BULLA_EAUTHN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        TEST(test_an_alias_stands_for_its_key_and_can_be_moved),
        TEST(test_tags_and_aliases_are_visited_by_name),
        TEST(test_a_tag_too_many_too_long_or_not_text_is_refused),
        TEST(test_the_history_tells_who_did_what_and_nothing_of_what_failed),
        TEST(test_the_history_can_not_be_changed_through_sql),
        TEST(test_a_caller_whose_name_could_forge_a_line_is_not_admitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
