/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "base/macros.h"
#include "bulla/config.h"
#include "bulla/envelope.h"
#include "cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The environment of a test: NAME, value pairs; NULL ends it. */
static const char *variables[8];

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    for (size_t i = 0; variables[i] != NULL; i += 2)
        if (strcmp(variables[i], name) == 0) return variables[i + 1];
    return NULL;
}

static bulla_env env;
static bulla_call call;

static int set_up(void **state)
{
    (void)state;
    env = *bulla_env_default();
    env.lookup = lookup;
    memset(variables, 0, sizeof variables);
    variables[0] = "HOME";
    variables[1] = "/home/ann";
    bulla_call_init(&call, &env);
    return 0;
}

static bulla_config *parse(const char *text)
{
    bulla_config *config = NULL;
    if (bulla_config_parse(&call, bulla_view_text(text), "b.yaml", &config) != BULLA_OK) fail_msg("%s", call.why);
    return config;
}

static void test_the_defaults_hold_without_a_text(void **state)
{
    (void)state;
    bulla_config *config = parse("");
    const bulla_settings *settings = bulla_config_settings(config);
    assert_string_equal(settings->options.store, "/home/ann/.local/share/bulla");
    assert_string_equal(settings->root, "file:/home/ann/.config/bulla/root.key");
    assert_string_equal(settings->options.aead, "auto");
    assert_null(settings->options.cache);
    assert_int_equal(settings->num_recipients, 0);
    assert_int_equal(settings->suite, BULLA_SUITE_COMMIT);
    assert_int_equal(settings->frame_len, 65536);
    assert_int_equal(settings->log_level, BULLA_LOG_WARN);
    assert_null(bulla_config_path(config));
    bulla_config_free(config);
}

static void test_every_setting_arrives(void **state)
{
    (void)state;
    bulla_config *config =
        parse("keystore: {path: /srv/keys, root: 'env:ROOT'}\nrecipients:\n  - local:a\n  - file:/b.key\n"
              "envelope: {suite: 0x0578, frame_size: 1M}\ncrypto: {engine: openssl}\n"
              "cache: {enabled: true, ttl: 1500ms, max_size: 10, max_uses: 7}\nlog: {level: debug}\n");
    const bulla_settings *settings = bulla_config_settings(config);
    assert_string_equal(settings->options.store, "/srv/keys");
    assert_string_equal(settings->root, "env:ROOT");
    assert_int_equal(settings->num_recipients, 2);
    assert_string_equal(settings->recipients[1], "file:/b.key");
    assert_int_equal(settings->suite, BULLA_SUITE_COMMIT_SIGNED);
    assert_int_equal(settings->frame_len, 1 << 20);
    assert_string_equal(settings->options.aead, "openssl");
    assert_non_null(settings->options.cache);
    assert_int_equal(settings->options.cache->ttl_ms, 1500);
    assert_int_equal(settings->options.cache->max_entries, 10);
    assert_int_equal(settings->options.cache->max_uses, 7);
    assert_int_equal(settings->log_level, BULLA_LOG_DEBUG);
    bulla_config_free(config);
}

static void test_xdg_folders_are_used_when_they_are_absolute(void **state)
{
    (void)state;
    variables[2] = "XDG_DATA_HOME";
    variables[3] = "/data";
    variables[4] = "XDG_CONFIG_HOME";
    variables[5] = "relative";
    bulla_config *config = parse("");
    assert_string_equal(bulla_config_settings(config)->options.store, "/data/bulla");
    assert_string_equal(bulla_config_settings(config)->root, "file:/home/ann/.config/bulla/root.key");
    bulla_config_free(config);
}

static void test_a_strange_home_makes_a_valid_address(void **state)
{
    (void)state;
    variables[1] = "/home/50%?a";
    bulla_config *config = parse("");
    assert_string_equal(bulla_config_settings(config)->root, "file:/home/50%25%3Fa/.config/bulla/root.key");
    bulla_config_free(config);
}

static void test_without_home_there_is_no_usual_place(void **state)
{
    (void)state;
    variables[0] = NULL;
    bulla_config *config = parse("");
    assert_null(bulla_config_settings(config)->options.store);
    assert_null(bulla_config_settings(config)->root);
    bulla_config_free(config);
}

static void test_mistakes_are_named_with_their_place(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"keystor: {path: /x}\n", "b.yaml:1:1: unknown name \"keystor\"; did you mean \"keystore\"?"},
        {"cache:\n  tll: 5m\n", "b.yaml:2:3: unknown name \"cache.tll\"; did you mean \"cache.ttl\"?"},
        {"keystore:\n  path: ~/keys\n", "b.yaml:2:9: keystore.path: \"~\" is not opened here: write ${HOME}"},
        {"envelope: {suite: 0x0378}\n", "b.yaml:1:19: envelope.suite: \"0x0378\" is not one of: 0x0478, 0x0578; "
                                        "did you mean \"0x0478\"?"},
        {"cache: {ttl: 25h}\n", "b.yaml:1:14: cache.ttl: 25h is not between 1 and 86400000 ms"},
    };
    for (size_t i = 0; i < BULLA_LEN(cases); i++) {
        bulla_config *config = NULL;
        assert_int_equal(bulla_config_parse(&call, bulla_view_text(cases[i][0]), "b.yaml", &config), BULLA_ECONFIG);
        assert_string_equal(call.why, cases[i][1]);
        assert_null(config);
    }
}

static void test_a_text_over_the_limit_is_refused(void **state)
{
    (void)state;
    char *text = malloc(BULLA_MAX_CONFIG + 1);
    bulla_config *config = NULL;
    assert_non_null(text);
    memset(text, '#', BULLA_MAX_CONFIG + 1);
    assert_int_equal(bulla_config_parse(&call, bulla_view_of(text, BULLA_MAX_CONFIG + 1), "b.yaml", &config),
                     BULLA_ELIMIT);
    assert_int_equal(bulla_config_parse(&call, bulla_view_of(text, BULLA_MAX_CONFIG), "b.yaml", &config), BULLA_OK);
    bulla_config_free(config);
    free(text);
}

static void test_set_comes_before_the_file(void **state)
{
    (void)state;
    bulla_config *config = parse("keystore: {path: /a}\n");
    assert_int_equal(bulla_config_set(config, &call, "keystore.path", "/b", "--store"), BULLA_OK);
    assert_string_equal(bulla_config_settings(config)->options.store, "/b");
    bulla_config_free(config);
}

struct shown {
    const char *name;
    char value[64], source[32];
    unsigned line;
};

static bulla_status find_shown(void *arg, bulla_call *unused, const bulla_config_item *item)
{
    struct shown *shown = arg;
    (void)unused;
    if (strcmp(item->name, shown->name) != 0) return BULLA_OK;
    (void)snprintf(shown->value, sizeof shown->value, "%s", item->value);
    (void)snprintf(shown->source, sizeof shown->source, "%s", item->source);
    shown->line = item->line;
    return BULLA_OK;
}

static void test_show_tells_values_as_written_and_where_they_come_from(void **state)
{
    (void)state;
    variables[2] = "PLACE";
    variables[3] = "hunter2";
    bulla_config *config = parse("keystore:\n  path: /x/${PLACE}\n");
    struct shown path = {.name = "keystore.path"}, ttl = {.name = "cache.ttl"};
    assert_string_equal(bulla_config_settings(config)->options.store, "/x/hunter2");
    assert_int_equal(bulla_config_show(config, &call, find_shown, &path), BULLA_OK);
    assert_int_equal(bulla_config_show(config, &call, find_shown, &ttl), BULLA_OK);
    assert_string_equal(path.value, "/x/${PLACE}");
    assert_string_equal(path.source, "b.yaml");
    assert_int_equal(path.line, 2);
    assert_string_equal(ttl.value, "5m");
    assert_string_equal(ttl.source, "default");
    bulla_config_free(config);
}

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_the_file_that_is_named_must_be_there(void **state)
{
    (void)state;
    bulla_config *config = NULL;
    assert_int_equal(bulla_config_open(&call, "/nowhere/bulla.yaml", &config), BULLA_ENOFILE);
    assert_non_null(strstr(call.why, "/nowhere/bulla.yaml"));
    variables[2] = "BULLA_CONFIG";
    variables[3] = "/nowhere/else.yaml";
    assert_int_equal(bulla_config_open(&call, NULL, &config), BULLA_ENOFILE);
    assert_int_equal(bulla_config_open(&call, "/", &config), BULLA_EINVAL);
    assert_null(config);
}

static void test_the_usual_file_need_not_be_there_but_is_read(void **state)
{
    (void)state;
    char folder[] = "/tmp/bulla-config-XXXXXX", path[64];
    bulla_config *config = NULL;
    assert_non_null(mkdtemp(folder));
    variables[2] = "XDG_CONFIG_HOME";
    variables[3] = folder;
    assert_int_equal(bulla_config_open(&call, NULL, &config), BULLA_OK);
    assert_null(bulla_config_path(config));
    bulla_config_free(config);

    (void)snprintf(path, sizeof path, "%s/named.yaml", folder);
    write_text(path, "log: {level: info}\n");
    variables[4] = "BULLA_CONFIG";
    variables[5] = path;
    assert_int_equal(bulla_config_open(&call, NULL, &config), BULLA_OK);
    assert_string_equal(bulla_config_path(config), path);
    assert_int_equal(bulla_config_settings(config)->log_level, BULLA_LOG_INFO);
    bulla_config_free(config);
    (void)unlink(path);
    (void)rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_defaults_hold_without_a_text, set_up),
        cmocka_unit_test_setup(test_every_setting_arrives, set_up),
        cmocka_unit_test_setup(test_xdg_folders_are_used_when_they_are_absolute, set_up),
        cmocka_unit_test_setup(test_a_strange_home_makes_a_valid_address, set_up),
        cmocka_unit_test_setup(test_without_home_there_is_no_usual_place, set_up),
        cmocka_unit_test_setup(test_mistakes_are_named_with_their_place, set_up),
        cmocka_unit_test_setup(test_a_text_over_the_limit_is_refused, set_up),
        cmocka_unit_test_setup(test_set_comes_before_the_file, set_up),
        cmocka_unit_test_setup(test_show_tells_values_as_written_and_where_they_come_from, set_up),
        cmocka_unit_test_setup(test_the_file_that_is_named_must_be_there, set_up),
        cmocka_unit_test_setup(test_the_usual_file_need_not_be_there_but_is_read, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
