/* SPDX-License-Identifier: Apache-2.0 */
/* rsa: keys: public ones wrap, private ones unwrap too, and PKCS#1 v1.5 gives nothing away. */
#include "base/bytes.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "crypto/rsa.h"
#include "provider/provider.h"
#include "provider/registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bulla_call call;
static bulla_registry registry;
static char dir[] = "/tmp/bulla-rsa-XXXXXX", private_path[64], public_path[64];
static bulla_rsa *rsa;

static void write_text(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, mode) != 0 || close(fd) != 0)
        abort();
}

static int make_keys(void **state)
{
    (void)state;
    char pem[8192], base64[4096];
    BULLA_AUTO(bulla_secret) *der = NULL;
    bulla_call_init(&call, NULL);
    bulla_registry_init(&registry, NULL);
    if (mkdtemp(dir) == NULL || bulla_rsa_generate(&call, 2048, &rsa) != BULLA_OK ||
        bulla_rsa_public_pem(&call, rsa, pem, sizeof pem) != BULLA_OK ||
        bulla_rsa_private_der(&call, rsa, &der) != BULLA_OK)
        return 1;
    (void)snprintf(public_path, sizeof public_path, "%s/public.pem", dir);
    (void)snprintf(private_path, sizeof private_path, "%s/private.pem", dir);
    write_text(public_path, pem, 0644);
    bulla_base64_encode(bulla_secret_borrow(der), base64);
    size_t len = (size_t)snprintf(pem, sizeof pem, "-----BEGIN PRIVATE KEY-----\n");
    for (size_t at = 0; at < strlen(base64); at += 64)
        len += (size_t)snprintf(pem + len, sizeof pem - len, "%.64s\n", base64 + at);
    (void)snprintf(pem + len, sizeof pem - len, "-----END PRIVATE KEY-----\n");
    write_text(private_path, pem, 0600);
    return 0;
}

static int remove_keys(void **state)
{
    (void)state;
    bulla_rsa_free(rsa);
    (void)unlink(private_path);
    (void)unlink(public_path);
    return rmdir(dir);
}

static bulla_provider *open_key(const char *path, const char *rest, bulla_status expected)
{
    char address[256];
    bulla_provider *provider = NULL;
    (void)snprintf(address, sizeof address, "rsa:%s?namespace=s&name=k%s", path, rest);
    assert_status(bulla_registry_open(&registry, &call, address, &provider), expected);
    return provider;
}

static void test_a_public_key_wraps_what_the_private_one_opens(void **state)
{
    (void)state;
    static const char *const paddings[] = {"", "&padding=oaep-sha256", "&padding=oaep-sha1", "&padding=oaep-sha384",
                                           "&padding=oaep-sha512"};
    for (size_t i = 0; i < BULLA_LEN(paddings); i++) {
        BULLA_AUTO(bulla_provider) *to = open_key(public_path, paddings[i], BULLA_OK);
        BULLA_AUTO(bulla_provider) *from = open_key(private_path, paddings[i], BULLA_OK);
        BULLA_AUTO(bulla_secret) *dek = NULL;
        BULLA_AUTO(bulla_secret) *opened = NULL;
        BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
        assert_ok(bulla_provider_datakey(to, &call, NULL, 64, &dek, &wrapped));
        assert_true(bulla_view_is(wrapped->provider, "s") && bulla_view_is(wrapped->info, "k"));
        assert_int_equal(wrapped->blob.len, 256);
        assert_ok(bulla_provider_unwrap(from, &call, NULL, wrapped, &opened));
        assert_memory_equal(bulla_secret_borrow(opened).data, bulla_secret_borrow(dek).data, 64);
    }
}

static void test_a_public_key_knows_what_it_wrapped_and_does_not_unwrap_it(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_provider) *to = open_key(public_path, "", BULLA_OK);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    bulla_secret *opened = NULL;
    assert_ok(bulla_provider_datakey(to, &call, NULL, 32, &dek, &wrapped));
    assert_true(bulla_provider_matches(to, wrapped));
    assert_status(bulla_provider_unwrap(to, &call, NULL, wrapped, &opened), BULLA_EUNSUPPORTED);
    assert_null(opened);
}

static void test_another_padding_does_not_open(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_provider) *to = open_key(public_path, "&padding=oaep-sha1", BULLA_OK);
    BULLA_AUTO(bulla_provider) *from = open_key(private_path, "&padding=oaep-sha256", BULLA_OK);
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    bulla_secret *opened = NULL;
    assert_ok(bulla_provider_datakey(to, &call, NULL, 32, &dek, &wrapped));
    assert_status(bulla_provider_unwrap(from, &call, NULL, wrapped, &opened), BULLA_EINTEGRITY);
}

static void test_a_private_key_that_others_may_read_is_refused_and_a_public_one_is_not(void **state)
{
    (void)state;
    assert_int_equal(chmod(private_path, 0640), 0);
    assert_null(open_key(private_path, "", BULLA_EAUTHZ));
    assert_non_null(strstr(call.why, "chmod 600"));
    assert_int_equal(chmod(private_path, 0600), 0);
    bulla_provider_unref(open_key(public_path, "", BULLA_OK));
}

static void test_pkcs1_only_opens(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_provider) *from = open_key(private_path, "&padding=pkcs1", BULLA_OK);
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    assert_status(bulla_provider_datakey(from, &call, NULL, 32, &dek, &wrapped), BULLA_EUNSUPPORTED);
    assert_null(open_key(public_path, "&padding=pkcs1", BULLA_EINVAL));
    assert_null(open_key(private_path, "&padding=pss", BULLA_EINVAL));
}

/* Unwraps a blob under padding=pkcs1; the key that comes out, whatever it is. */
static bulla_secret *pkcs1_unwrap(const uint8_t *blob, size_t len)
{
    BULLA_AUTO(bulla_provider) *from = open_key(private_path, "&padding=pkcs1", BULLA_OK);
    const bulla_wrapped wrapped = {bulla_view_text("s"), bulla_view_text("k"), bulla_view_of(blob, len)};
    bulla_secret *opened = NULL;
    assert_ok(bulla_provider_unwrap(from, &call, NULL, &wrapped, &opened));
    return opened;
}

static void test_bad_pkcs1_padding_gives_a_random_key_and_no_error(void **state)
{
    (void)state;
    uint8_t dek[32] = {1, 2, 3}, blob[256];
    size_t len = 0;
    assert_ok(bulla_rsa_encrypt(&call, rsa, BULLA_RSA_PKCS1, bulla_view_of(dek, sizeof dek), blob, sizeof blob, &len));
    BULLA_AUTO(bulla_secret) *good = pkcs1_unwrap(blob, len);
    assert_memory_equal(bulla_secret_borrow(good).data, dek, sizeof dek);
    assert_ok(
        bulla_rsa_encrypt(&call, rsa, BULLA_RSA_OAEP_SHA256, bulla_view_of(dek, sizeof dek), blob, sizeof blob, &len));
    bulla_call_init(&call, NULL);
    BULLA_AUTO(bulla_secret) *decoy = pkcs1_unwrap(blob, len);
    BULLA_AUTO(bulla_secret) *another = pkcs1_unwrap(blob, len);
    assert_int_equal(call.status, BULLA_OK);
    assert_string_equal(call.why, "");
    assert_int_equal(bulla_secret_borrow(decoy).len, 32);
    assert_memory_not_equal(bulla_secret_borrow(decoy).data, dek, sizeof dek);
    assert_memory_not_equal(bulla_secret_borrow(decoy).data, bulla_secret_borrow(another).data, 32);
}

static void test_good_pkcs1_padding_around_no_key_looks_the_same(void **state)
{
    (void)state;
    uint8_t text[40] = {9}, blob[256];
    size_t len = 0;
    assert_ok(
        bulla_rsa_encrypt(&call, rsa, BULLA_RSA_PKCS1, bulla_view_of(text, sizeof text), blob, sizeof blob, &len));
    BULLA_AUTO(bulla_secret) *decoy = pkcs1_unwrap(blob, len);
    assert_int_equal(bulla_secret_borrow(decoy).len, 32);
    assert_memory_not_equal(bulla_secret_borrow(decoy).data, text, 32);
}

static void test_what_is_no_pem_is_refused(void **state)
{
    (void)state;
    char junk[64];
    (void)snprintf(junk, sizeof junk, "%s/junk.pem", dir);
    write_text(junk, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0600);
    assert_null(open_key(junk, "", BULLA_EFORMAT));
    assert_non_null(strstr(call.why, junk)); /* several files may have been given */
    (void)unlink(junk);
    assert_null(open_key(junk, "", BULLA_ENOFILE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_public_key_wraps_what_the_private_one_opens),
        cmocka_unit_test(test_a_public_key_knows_what_it_wrapped_and_does_not_unwrap_it),
        cmocka_unit_test(test_another_padding_does_not_open),
        cmocka_unit_test(test_a_private_key_that_others_may_read_is_refused_and_a_public_one_is_not),
        cmocka_unit_test(test_pkcs1_only_opens),
        cmocka_unit_test(test_bad_pkcs1_padding_gives_a_random_key_and_no_error),
        cmocka_unit_test(test_good_pkcs1_padding_around_no_key_looks_the_same),
        cmocka_unit_test(test_what_is_no_pem_is_refused),
    };
    return cmocka_run_group_tests(tests, make_keys, remove_keys);
}
