/* SPDX-License-Identifier: Apache-2.0 */
/* file: and env: keys: where they may lie, what they look like, and how they wrap. */
#include "base/bytes.h"
#include "base/context.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "crypto/aead.h"
#include "fakes/fake_env.h"
#include "provider/provider.h"
#include "provider/registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE64_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=" /* 0, 1, … 31 */

static fake_env fake;
static bulla_call call;
static bulla_registry registry;
static char dir[] = "/tmp/bulla-rawkeys-XXXXXX", key_path[64], link_path[64];
static uint8_t counting[64];

static int make_dir(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof counting; i++)
        counting[i] = (uint8_t)i;
    if (mkdtemp(dir) == NULL) return 1;
    (void)snprintf(key_path, sizeof key_path, "%s/key", dir);
    (void)snprintf(link_path, sizeof link_path, "%s/link", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    (void)unlink(link_path);
    (void)unlink(key_path);
    return rmdir(dir);
}

static int setup(void **state)
{
    (void)state;
    (void)unlink(link_path);
    (void)unlink(key_path);
    fake_env_init(&fake);
    bulla_call_init(&call, &fake.env);
    bulla_registry_init(&registry, NULL);
    return 0;
}

static void write_key(const void *content, size_t len, mode_t mode)
{
    (void)unlink(key_path);
    int fd = open(key_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, len), (ssize_t)len);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

/* Opens file:<key_path><rest> and closes it again. */
static bulla_status try_file(const char *rest)
{
    char address[256];
    BULLA_AUTO(bulla_provider) *provider = NULL;
    (void)snprintf(address, sizeof address, "file:%s%s", key_path, rest);
    bulla_status status = bulla_registry_open(&registry, &call, address, &provider);
    assert_true((provider != NULL) == (status == BULLA_OK));
    return status;
}

static bulla_status try_env(const char *address)
{
    BULLA_AUTO(bulla_provider) *provider = NULL;
    bulla_status status = bulla_registry_open(&registry, &call, address, &provider);
    assert_true((provider != NULL) == (status == BULLA_OK));
    return status;
}

static void test_raw_keys_of_three_lengths_are_taken(void **state)
{
    (void)state;
    for (size_t len = 1; len <= 43; len++) {
        write_key(counting, len, 0600);
        assert_status(try_file(""), len == 16 || len == 24 || len == 32 ? BULLA_OK : BULLA_ECONFIG);
    }
}

static void test_only_a_key_of_32_bytes_is_called_aes_256(void **state)
{
    (void)state;
    for (size_t len = 16; len <= 32; len += 8) {
        char address[256];
        bulla_key_info info;
        BULLA_AUTO(bulla_provider) *provider = NULL;
        write_key(counting, len, 0600);
        (void)snprintf(address, sizeof address, "file:%s", key_path);
        assert_ok(bulla_registry_open(&registry, &call, address, &provider));
        assert_ok(bulla_provider_describe(provider, &call, &info));
        assert_int_equal(info.type, len == 32 ? BULLA_KEY_AES256_GCM : BULLA_KEY_UNKNOWN);
    }
}

static void test_base64_of_32_bytes_is_taken_with_or_without_a_newline(void **state)
{
    (void)state;
    static const char *const good[] = {BASE64_KEY, BASE64_KEY "\n", BASE64_KEY "\r\n"};
    for (size_t i = 0; i < BULLA_LEN(good); i++) {
        write_key(good[i], strlen(good[i]), 0400);
        assert_ok(try_file(""));
    }
    static const char *const bad[] = {BASE64_KEY "\n\n", BASE64_KEY " ", "!AECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                                      "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g"};
    for (size_t i = 0; i < BULLA_LEN(bad); i++) {
        write_key(bad[i], strlen(bad[i]), 0600);
        assert_status(try_file(""), BULLA_ECONFIG);
    }
}

static void test_a_message_never_shows_the_file(void **state)
{
    (void)state;
    write_key("topsecrettopsecrettopsecrettopsecrettopsecre", 44, 0600);
    assert_status(try_file(""), BULLA_ECONFIG);
    assert_null(strstr(call.why, "topsecret"));
}

static void test_empty_and_large_files_are_refused(void **state)
{
    (void)state;
    char large[4097];
    memset(large, 'A', sizeof large);
    write_key("", 0, 0600);
    assert_status(try_file(""), BULLA_EFORMAT);
    write_key(large, sizeof large, 0600);
    assert_status(try_file(""), BULLA_EFORMAT);
    write_key(large, 65, 0600); /* such as 32 bytes in hexadecimal */
    assert_status(try_file(""), BULLA_ECONFIG);
}

static void test_a_file_that_others_may_read_is_refused_with_the_remedy(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0660, 0666, 0610, 0601, 0644};
    for (size_t i = 0; i < BULLA_LEN(modes); i++) {
        write_key(counting, 32, modes[i]);
        assert_status(try_file(""), BULLA_EAUTHZ);
        assert_non_null(strstr(call.why, "chmod 600"));
    }
    write_key(counting, 32, 0400);
    assert_ok(try_file(""));
}

static void test_a_link_is_followed_and_what_it_leads_to_is_checked(void **state)
{
    (void)state;
    char address[128];
    BULLA_AUTO(bulla_provider) *provider = NULL;
    (void)snprintf(address, sizeof address, "file:%s", link_path);
    assert_int_equal(symlink(key_path, link_path), 0);
    write_key(counting, 32, 0644);
    assert_status(bulla_registry_open(&registry, &call, address, &provider), BULLA_EAUTHZ);
    write_key(counting, 32, 0600);
    assert_ok(bulla_registry_open(&registry, &call, address, &provider));
}

static void test_what_is_no_file_is_refused_and_does_not_hang(void **state)
{
    (void)state;
    assert_status(try_file(""), BULLA_ENOFILE);
    assert_status(try_file("/below"), BULLA_ENOFILE);
    assert_int_equal(mkfifo(key_path, 0600), 0);
    assert_status(try_file(""), BULLA_EINVAL);
    assert_status(try_env("file:/tmp"), BULLA_EINVAL);
    assert_status(try_env("file:"), BULLA_EINVAL);
}

static void test_namespaces_of_others_are_refused(void **state)
{
    (void)state;
    write_key(counting, 32, 0600);
    assert_status(try_file("?namespace=aws-kms"), BULLA_EINVAL);
    assert_status(try_file("?namespace=aws-kms-mrk"), BULLA_EINVAL);
    assert_status(try_file("?namespace=bulla"), BULLA_EINVAL);
    assert_status(try_file("?namespace="), BULLA_EINVAL);
    assert_status(try_file("?name="), BULLA_EINVAL);
    assert_status(try_file("?name=%C0%AF"), BULLA_EINVAL);
    assert_status(try_file("?nmae=x"), BULLA_EINVAL);
    assert_ok(try_file("?namespace=bulla2&name=aws-kms"));
}

/* raw-aes-keyring.md: namespace; name, 128 as u32, 12 as u32, IV; ciphertext and tag with the context as AAD. */
static void test_the_wrapped_key_is_a_raw_aes_entry(void **state)
{
    (void)state;
    char address[160];
    const bulla_pair pair = {bulla_view_text("a"), bulla_view_text("b")};
    BULLA_AUTO(bulla_context) *context = NULL;
    BULLA_AUTO(bulla_provider) *provider = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    BULLA_AUTO(bulla_aead) *aead = NULL;
    uint8_t opened[32];
    write_key(counting, 32, 0600);
    (void)snprintf(address, sizeof address, "file:%s?namespace=space&name=K1", key_path);
    assert_ok(bulla_registry_open(&registry, &call, address, &provider));
    assert_ok(bulla_context_new(&call, &pair, 1, &context));
    assert_ok(bulla_provider_datakey(provider, &call, context, 32, &dek, &wrapped));
    assert_true(bulla_view_is(wrapped->provider, "space"));
    assert_int_equal(wrapped->info.len, 2 + 20);
    assert_memory_equal(wrapped->info.data, "K1\0\0\0\x80\0\0\0\x0C", 10);
    assert_int_equal(wrapped->blob.len, 48);
    assert_ok(bulla_aead_new(&call, bulla_view_of(counting, 32), &aead));
    assert_ok(bulla_aead_open(aead, &call, wrapped->info.data + 10, bulla_view_of("\0\1\0\1a\0\1b", 8),
                              bulla_view_of(wrapped->blob.data, 32), wrapped->blob.data + 32, opened));
    assert_memory_equal(opened, bulla_secret_borrow(dek).data, 32);
}

static void test_defaults_are_scheme_and_file_name(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_provider) *provider = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    bulla_key_info info;
    char address[128];
    write_key(counting, 32, 0600);
    (void)snprintf(address, sizeof address, "file:%s", key_path);
    assert_ok(bulla_registry_open(&registry, &call, address, &provider));
    assert_ok(bulla_provider_datakey(provider, &call, NULL, 32, &dek, &wrapped));
    assert_true(bulla_view_is(wrapped->provider, "file"));
    assert_memory_equal(wrapped->info.data, "key", 3);
    assert_ok(bulla_provider_describe(provider, &call, &info));
    assert_string_equal(info.name, address);
    assert_string_equal(info.id, "key");
    assert_int_equal(info.type, BULLA_KEY_AES256_GCM);
}

static void test_a_key_in_a_variable_opens_what_the_file_wrapped(void **state)
{
    (void)state;
    char address[128];
    BULLA_AUTO(bulla_provider) *file = NULL;
    BULLA_AUTO(bulla_provider) *variable = NULL;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_secret) *opened = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    write_key(counting, 32, 0600);
    fake_env_var_set(&fake, "MASTER", BASE64_KEY);
    (void)snprintf(address, sizeof address, "file:%s?namespace=s&name=k", key_path);
    assert_ok(bulla_registry_open(&registry, &call, address, &file));
    assert_ok(bulla_registry_open(&registry, &call, "env:MASTER?namespace=s&name=k", &variable));
    assert_ok(bulla_provider_datakey(file, &call, NULL, 32, &dek, &wrapped));
    assert_ok(bulla_provider_unwrap(variable, &call, NULL, wrapped, &opened));
    assert_memory_equal(bulla_secret_borrow(opened).data, bulla_secret_borrow(dek).data, 32);
}

static void test_a_variable_is_looked_up_only_where_the_program_allows_it(void **state)
{
    (void)state;
    assert_status(try_env("env:UNSET"), BULLA_ENOKEY);
    assert_non_null(strstr(call.why, "UNSET"));
    fake_env_var_set(&fake, "SHORT", "AAEC");
    assert_status(try_env("env:SHORT"), BULLA_ECONFIG);
    assert_null(strstr(call.why, "AAEC"));
    fake_env_var_set(&fake, "SIXTEEN", "AAECAwQFBgcICQoLDA0ODw==");
    assert_ok(try_env("env:SIXTEEN"));
    assert_status(try_env("env:"), BULLA_EINVAL);
    assert_status(try_env("env:A%3DB"), BULLA_EINVAL);
    fake.env.lookup = NULL;
    assert_status(try_env("env:SIXTEEN"), BULLA_ECONFIG);
}

static void test_text_that_serves_as_a_raw_key_is_warned_of(void **state)
{
    (void)state;
    write_key("0123456789abcdef0123456789abcdef", 32, 0600);
    assert_ok(try_file(""));
    assert_int_equal(fake.num_logged, 1);
    assert_null(strstr(fake.last_line, "0123456789"));
}

static void test_nothing_is_left_of_an_opening_that_fails(void **state)
{
    (void)state;
    write_key(counting, 32, 0600);
    for (size_t n = 1; n < 20; n++) {
        size_t before = fake.num_allocs;
        fake_env_fail_alloc_in(&fake, n);
        bulla_status status = try_file("");
        assert_int_equal(fake.num_live, 0);
        if (fake.num_allocs < before + n) break;
        assert_status(status, BULLA_ENOMEM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_raw_keys_of_three_lengths_are_taken, setup),
        cmocka_unit_test_setup(test_only_a_key_of_32_bytes_is_called_aes_256, setup),
        cmocka_unit_test_setup(test_base64_of_32_bytes_is_taken_with_or_without_a_newline, setup),
        cmocka_unit_test_setup(test_a_message_never_shows_the_file, setup),
        cmocka_unit_test_setup(test_empty_and_large_files_are_refused, setup),
        cmocka_unit_test_setup(test_a_file_that_others_may_read_is_refused_with_the_remedy, setup),
        cmocka_unit_test_setup(test_a_link_is_followed_and_what_it_leads_to_is_checked, setup),
        cmocka_unit_test_setup(test_what_is_no_file_is_refused_and_does_not_hang, setup),
        cmocka_unit_test_setup(test_namespaces_of_others_are_refused, setup),
        cmocka_unit_test_setup(test_the_wrapped_key_is_a_raw_aes_entry, setup),
        cmocka_unit_test_setup(test_defaults_are_scheme_and_file_name, setup),
        cmocka_unit_test_setup(test_a_key_in_a_variable_opens_what_the_file_wrapped, setup),
        cmocka_unit_test_setup(test_a_variable_is_looked_up_only_where_the_program_allows_it, setup),
        cmocka_unit_test_setup(test_text_that_serves_as_a_raw_key_is_warned_of, setup),
        cmocka_unit_test_setup(test_nothing_is_left_of_an_opening_that_fails, setup),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
