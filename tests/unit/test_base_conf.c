/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/conf.h"
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const colours[] = {"red", "green", "blue", NULL};
enum { NAME, TAGS, WIDTH, LIMIT, PAUSE, LOUD, COLOUR, NUM_FIELDS };
static const bulla_conf_field fields[NUM_FIELDS] = {
    [NAME] = {"name", BULLA_CONF_TEXT, 0, 0, NULL, NULL, 0},
    [TAGS] = {"tags", BULLA_CONF_LIST, 0, 0, NULL, NULL, 0},
    [WIDTH] = {"box.width", BULLA_CONF_NUMBER, 1, 100, NULL, NULL, 0},
    [LIMIT] = {"box.limit", BULLA_CONF_SIZE, 0, UINT64_MAX, NULL, NULL, 0},
    [PAUSE] = {"play.pause", BULLA_CONF_DURATION, 1, 1000ull * 86400 * 365, NULL, NULL, 0},
    [LOUD] = {"play.loud", BULLA_CONF_BOOL, 0, 0, NULL, NULL, 0},
    [COLOUR] = {"play.colour", BULLA_CONF_WORD, 0, 0, colours, NULL, 0},
};

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "PET") == 0 ? "cat" : strcmp(name, "EMPTY") == 0 ? "" : NULL;
}

static bulla_env env;
static bulla_call call;

static int set_up(void **state)
{
    (void)state;
    env = *bulla_env_default();
    env.lookup = lookup;
    bulla_call_init(&call, &env);
    return 0;
}

static bulla_conf *parse(const char *text)
{
    bulla_conf *conf = NULL;
    bulla_status status = bulla_conf_parse(&call, fields, NUM_FIELDS, bulla_view_text(text), "f.yaml", &conf);
    if (status != BULLA_OK) fail_msg("%s", call.why);
    return conf;
}

/* The sentence that refuses `text`. */
static const char *refusal(const char *text)
{
    bulla_conf *conf = NULL;
    assert_int_equal(bulla_conf_parse(&call, fields, NUM_FIELDS, bulla_view_text(text), "f.yaml", &conf),
                     BULLA_ECONFIG);
    assert_null(conf);
    return call.why;
}

static void assert_refused(const char *text, const char *place, const char *words)
{
    const char *why = refusal(text);
    if (strncmp(why, place, strlen(place)) != 0 || strstr(why, words) == NULL)
        fail_msg("\"%s\" does not start with \"%s\" or does not say \"%s\"", why, place, words);
}

static void test_values_of_every_kind_are_read(void **state)
{
    (void)state;
    bulla_conf *conf = parse("# a comment\nname: Ann Example\ntags: [a, \"b c\"]\nbox:\n  width: 7\n  limit: 64K\n"
                             "play:\n  pause: 5m\n  loud: true\n  colour: blue\n");
    assert_string_equal(bulla_conf_get(conf, NAME)->text, "Ann Example");
    assert_int_equal(bulla_conf_get(conf, TAGS)->num_items, 2);
    assert_string_equal(bulla_conf_get(conf, TAGS)->items[1], "b c");
    assert_int_equal(bulla_conf_get(conf, WIDTH)->number, 7);
    assert_int_equal(bulla_conf_get(conf, LIMIT)->number, 65536);
    assert_int_equal(bulla_conf_get(conf, PAUSE)->number, 300000);
    assert_int_equal(bulla_conf_get(conf, LOUD)->number, 1);
    assert_int_equal(bulla_conf_get(conf, COLOUR)->number, 2);
    assert_int_equal(bulla_conf_get(conf, WIDTH)->line, 5);
    assert_string_equal(bulla_conf_get(conf, WIDTH)->source, "f.yaml");
    bulla_conf_free(conf);
}

static void test_a_text_without_values_sets_nothing(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "# nothing\n", "---\n", "--- {}\n", "box:\nplay:\n", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < BULLA_LEN(texts); i++) {
        bulla_conf *conf = parse(texts[i]);
        for (size_t k = 0; k < NUM_FIELDS; k++)
            assert_false(bulla_conf_get(conf, k)->is_set);
        bulla_conf_free(conf);
    }
}

static void test_units_multiply(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t index;
        uint64_t number;
    } cases[] = {{"box: {limit: 3}", LIMIT, 3},
                 {"box: {limit: 2M}", LIMIT, 2u << 20},
                 {"box: {limit: 2GiB}", LIMIT, 2ull << 30},
                 {"play: {pause: 1ms}", PAUSE, 1},
                 {"play: {pause: 2s}", PAUSE, 2000},
                 {"play: {pause: 3h}", PAUSE, 3 * 3600000},
                 {"play: {pause: 4d}", PAUSE, 4 * 86400000}};
    for (size_t i = 0; i < BULLA_LEN(cases); i++) {
        bulla_conf *conf = parse(cases[i].text);
        assert_true(bulla_conf_get(conf, cases[i].index)->number == cases[i].number);
        bulla_conf_free(conf);
    }
}

static void test_an_unknown_name_is_refused_with_place_and_nearest(void **state)
{
    (void)state;
    assert_refused("name: x\nnmae: y\n", "f.yaml:2:1:", "did you mean \"name\"?");
    assert_refused("play:\n  loud: true\n  color: red\n",
                   "f.yaml:3:3:", "\"play.color\"; did you mean \"play.colour\"?");
    assert_refused("boxx: {width: 1}\n", "f.yaml:1:1:", "did you mean \"box\"?");
    assert_refused("box.width: 1\n", "f.yaml:1:1:", "unknown name");
    assert_refused("box: {name: x}\n", "f.yaml:1:7:", "unknown name \"box.name\"");
    assert_refused("\"\": x\n", "f.yaml:1:1:", "unknown name");
    assert_refused("\"name\\0x\": x\n", "f.yaml:1:1:", "unknown name");
    assert_refused("box: {\"width\\0\": 1}\n", "f.yaml:1:7:", "unknown name");
    assert_refused(
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz: 1\n",
        "f.yaml:1:1:", "unknown name");
}

static void test_nothing_may_be_there_twice(void **state)
{
    (void)state;
    assert_refused("name: x\nname: x\n", "f.yaml:2:1:", "name is there twice");
    assert_refused("tags: []\ntags: [a]\n", "f.yaml:2:1:", "tags is there twice");
    assert_refused("box: {width: 1}\nplay:\nbox: {limit: 1}\n", "f.yaml:3:1:", "section \"box\" is there twice");
    assert_refused("name: x\n---\nname: y\n", "f.yaml:2:1:", "second document");
}

static void test_yaml_beyond_names_and_values_is_refused(void **state)
{
    (void)state;
    assert_refused("name: &a x\n", "f.yaml:1:7:", "anchors");
    assert_refused("name: *a\n", "f.yaml:1:7:", "anchors and aliases");
    assert_refused("box: &b {width: 1}\n", "f.yaml:1:6:", "anchors");
    assert_refused("name: !!str x\n", "f.yaml:1:7:", "tags are not allowed");
    assert_refused("tags: !x [a]\n", "f.yaml:1:7:", "tags are not allowed");
    assert_refused("%YAML 1.1\n---\nname: x\n", "f.yaml:1:1:", "directives");
    assert_refused("[a, b]\n", "f.yaml:1:1:", "names and values");
    assert_refused("just a word\n", "f.yaml:1:1:", "names and values");
    assert_refused("? [a]\n: b\n", "f.yaml:1:3:", "a name must be text");
    assert_refused("name: \"x\n", "f.yaml:2:1:", "");
    assert_refused("name: x\n\tname: y\n", "f.yaml:2:1:", "");
    assert_refused("name: \xff\xfe\n", "f.yaml:", "");
}

static void test_what_is_not_text_is_refused_where_it_stands(void **state)
{
    (void)state;
    assert_refused("name: x\nbox:\n  width: \xff\n", "f.yaml:3:10:", "invalid leading UTF-8 octet");
    assert_refused("tags: [a,\n  \xC3\xA9\xC3\xA9\x01]\n", "f.yaml:2:5:", "control characters");
    assert_refused("name: x\r\ntags: \xED\xA0\x80\n", "f.yaml:2:7:", "invalid Unicode character");
    assert_refused("name: x\rtags: \xC3", "f.yaml:2:7:", "incomplete UTF-8");
    assert_refused("\xEF\xBB\xBFname: \xff\n", "f.yaml:1:7:", "");
}

static void test_a_value_of_the_wrong_kind_is_refused(void **state)
{
    (void)state;
    assert_refused("box:\n  width: wide\n", "f.yaml:2:10:", "\"wide\" is not a whole number");
    assert_refused("box: {width: 0}\n", "f.yaml:1:14:", "not between 1 and 100");
    assert_refused("box: {width: 101}\n", "f.yaml:1:14:", "not between 1 and 100");
    assert_refused("box: {width: -1}\n", "f.yaml:1:14:", "not a whole number");
    assert_refused("box: {limit: 1T}\n", "f.yaml:1:14:", "not a size");
    assert_refused("box: {limit: 18446744073709551616}\n", "f.yaml:1:14:", "not a size");
    assert_refused("box: {limit: 17179869184G}\n", "f.yaml:1:14:", "not a size");
    assert_refused("play: {pause: 5}\n", "f.yaml:1:15:", "not a duration");
    assert_refused("play: {loud: yes}\n", "f.yaml:1:14:", "not one of: false, true");
    assert_refused("play: {colour: gren}\n", "f.yaml:1:16:", "did you mean \"green\"?");
    assert_refused("name:\n", "f.yaml:1:1:", "name has no value");
    assert_refused("name: ''\n", "f.yaml:1:7:", "empty");
    assert_refused("name: [x]\n", "f.yaml:1:7:", "must be a single value");
    assert_refused("tags: x\n", "f.yaml:1:7:", "must be a list");
    assert_refused("tags: [[x]]\n", "f.yaml:1:8:", "must be text");
    assert_refused("box: 3\n", "f.yaml:1:6:", "section \"box\" holds names and values");
}

static void test_variables_stand_for_their_values(void **state)
{
    (void)state;
    bulla_conf *conf = parse("name: a ${PET}, $$5 and ${EMPTY}.\ntags: [\"${PET}s\"]\n");
    assert_string_equal(bulla_conf_get(conf, NAME)->text, "a cat, $5 and .");
    assert_string_equal(bulla_conf_get(conf, NAME)->written, "a ${PET}, $$5 and ${EMPTY}.");
    assert_string_equal(bulla_conf_get(conf, TAGS)->items[0], "cats");
    assert_string_equal(bulla_conf_get(conf, TAGS)->items_written[0], "${PET}s");
    bulla_conf_free(conf);
}

static void test_a_variable_that_is_not_set_is_refused_where_it_stands(void **state)
{
    (void)state;
    assert_refused("tags: [x,\n  \"${NOBODY}\"]\n", "f.yaml:2:3:", "${NOBODY} is not set");
    assert_refused("name: a$\n", "f.yaml:1:7:", "write a dollar sign itself as $$");
    assert_refused("name: $PET\n", "f.yaml:1:7:", "after $ comes {NAME}");
    assert_refused("name: \"${PET\"\n", "f.yaml:1:7:", "after $ comes {NAME}");
    assert_refused("name: \"${}\"\n", "f.yaml:1:7:", "after $ comes {NAME}");
    assert_refused("name: \"${1A}\"\n", "f.yaml:1:7:", "after $ comes {NAME}");
    env.lookup = NULL;
    assert_refused("name: ${PET}\n", "f.yaml:1:7:", "${PET} is not set");
}

static void test_long_values_and_control_characters_are_refused(void **state)
{
    (void)state;
    char text[BULLA_CONF_MAX_TEXT + 16];
    int len = snprintf(text, sizeof text, "name: ");
    memset(text + len, 'x', BULLA_CONF_MAX_TEXT + 1);
    text[len + (int)BULLA_CONF_MAX_TEXT] = '\0';
    bulla_conf_free(parse(text));
    text[len + (int)BULLA_CONF_MAX_TEXT] = 'x';
    text[len + (int)BULLA_CONF_MAX_TEXT + 1] = '\0';
    assert_refused(text, "f.yaml:1:7:", "over 4096 bytes");
    assert_refused("name: \"a\\nb\"\n", "f.yaml:1:7:", "control character");
    assert_refused("name: \"a\\0b\"\n", "f.yaml:1:7:", "control character");
}

static void test_a_list_holds_sixty_four_items_and_no_more(void **state)
{
    (void)state;
    char text[512] = "tags:\n";
    for (unsigned i = 0; i < BULLA_CONF_MAX_ITEMS; i++)
        strcat(text, "- x\n");
    bulla_conf *conf = parse(text);
    assert_int_equal(bulla_conf_get(conf, TAGS)->num_items, BULLA_CONF_MAX_ITEMS);
    bulla_conf_free(conf);
    strcat(text, "- x\n");
    assert_refused(text, "f.yaml:66:3:", "more than 64 items");
}

static void test_set_replaces_a_value_and_says_who_did(void **state)
{
    (void)state;
    bulla_conf *conf = parse("name: x\ntags: [a, b]\n");
    assert_int_equal(bulla_conf_set(conf, &call, "name", "${PET}", "--name"), BULLA_OK);
    assert_string_equal(bulla_conf_get(conf, NAME)->text, "${PET}");
    assert_string_equal(bulla_conf_get(conf, NAME)->source, "--name");
    assert_int_equal(bulla_conf_get(conf, NAME)->line, 0);
    assert_int_equal(bulla_conf_set(conf, &call, "tags", "c", "--tag"), BULLA_OK);
    assert_int_equal(bulla_conf_get(conf, TAGS)->num_items, 1);
    assert_int_equal(bulla_conf_set(conf, &call, "nothing", "c", "--tag"), BULLA_EINVAL);
    bulla_conf_free(conf);
}

static void test_a_set_that_is_refused_leaves_the_value(void **state)
{
    (void)state;
    bulla_conf *conf = parse("box: {width: 5}\n");
    assert_int_equal(bulla_conf_set(conf, &call, "box.width", "500", "--width"), BULLA_ECONFIG);
    assert_string_equal(call.why, "--width: box.width: 500 is not between 1 and 100");
    assert_int_equal(bulla_conf_get(conf, WIDTH)->number, 5);
    assert_int_equal(bulla_conf_get(conf, WIDTH)->line, 1);
    bulla_conf_free(conf);
}

static int allocations_left;

static void *scarce_alloc(void *arg, size_t len)
{
    (void)arg;
    return allocations_left-- > 0 ? malloc(len) : NULL;
}

static void test_every_allocation_may_fail(void **state)
{
    (void)state;
    bulla_status status = BULLA_ENOMEM;
    int num = 0;
    env.alloc = scarce_alloc;
    for (; status == BULLA_ENOMEM && num < 100; num++) {
        bulla_conf *conf = NULL;
        allocations_left = num;
        status = bulla_conf_parse(&call, fields, NUM_FIELDS, bulla_view_text("name: x\ntags: [a, b]\n"), "f", &conf);
        assert_true(status == BULLA_OK || conf == NULL);
        bulla_conf_free(conf);
    }
    assert_int_equal(status, BULLA_OK);
    assert_true(num > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_values_of_every_kind_are_read, set_up),
        cmocka_unit_test_setup(test_a_text_without_values_sets_nothing, set_up),
        cmocka_unit_test_setup(test_units_multiply, set_up),
        cmocka_unit_test_setup(test_an_unknown_name_is_refused_with_place_and_nearest, set_up),
        cmocka_unit_test_setup(test_nothing_may_be_there_twice, set_up),
        cmocka_unit_test_setup(test_yaml_beyond_names_and_values_is_refused, set_up),
        cmocka_unit_test_setup(test_what_is_not_text_is_refused_where_it_stands, set_up),
        cmocka_unit_test_setup(test_a_value_of_the_wrong_kind_is_refused, set_up),
        cmocka_unit_test_setup(test_variables_stand_for_their_values, set_up),
        cmocka_unit_test_setup(test_a_variable_that_is_not_set_is_refused_where_it_stands, set_up),
        cmocka_unit_test_setup(test_long_values_and_control_characters_are_refused, set_up),
        cmocka_unit_test_setup(test_a_list_holds_sixty_four_items_and_no_more, set_up),
        cmocka_unit_test_setup(test_set_replaces_a_value_and_says_who_did, set_up),
        cmocka_unit_test_setup(test_a_set_that_is_refused_leaves_the_value, set_up),
        cmocka_unit_test_setup(test_every_allocation_may_fail, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
