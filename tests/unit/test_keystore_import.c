/* SPDX-License-Identifier: Apache-2.0 */
#include "base/bytes.h"
#include "cmocka_all.h"
#include "crypto/keywrap.h"
#include "crypto/rsa.h"
#include "keystore_kit.h"

#include <stdio.h>
#include <string.h>

#define WRAPPED_LEN 552u

/* What the owner of the material does, with the public key alone. */
static void owner_wraps(kit *self, const char *pem, const uint8_t material[32], uint8_t out[WRAPPED_LEN])
{
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    uint8_t kek[32];
    size_t len = 0;
    memset(kek, 0x77, sizeof kek);
    assert_ok(bulla_rsa_parse(&self->call, bulla_view_text(pem), &rsa));
    assert_false(bulla_rsa_is_private(rsa));
    assert_int_equal(bulla_rsa_len(rsa), 512);
    assert_ok(bulla_rsa_encrypt(&self->call, rsa, BULLA_RSA_OAEP_SHA256, bulla_view_of(kek, 32), out, 512, &len));
    assert_ok(bulla_kwp_wrap(&self->call, bulla_view_of(kek, 32), bulla_view_of(material, 32), out + 512, 40, &len));
    assert_int_equal(len, 40);
}

static bulla_import begin(kit *self, const char *name)
{
    bulla_import import;
    assert_ok(bulla_key_import_begin(self->house, &self->call, name, 3600, &import));
    assert_int_equal(import.expires_s, self->world.wall_ns / 1000000000 + 3600);
    return import;
}

static bulla_status finish(kit *self, const char *key, const bulla_import *import, uint8_t fill)
{
    uint8_t material[32], wrapped[WRAPPED_LEN];
    memset(material, fill, sizeof material);
    owner_wraps(self, import->public_pem, material, wrapped);
    return bulla_key_import_finish(self->house, &self->call, key, import->token, bulla_view_of(wrapped, sizeof wrapped),
                                   NULL);
}

static void test_material_from_outside_makes_a_key_and_its_next_version(void **state)
{
    kit *self = *state;
    bulla_import first = begin(self, "mine");
    assert_int_equal(kit_info(self, "mine").state, BULLA_KEY_PENDING_IMPORT);
    assert_status(bulla_key_rotate(self->house, &self->call, "mine", NULL), BULLA_ESTATE);
    assert_ok(finish(self, "mine", &first, 1));
    bulla_wrapped *wrapped = kit_wrap(self, "local:mine", 9);
    assert_status(bulla_key_rotate(self->house, &self->call, "mine", NULL), BULLA_ESTATE);
    bulla_import second = begin(self, "mine");
    assert_ok(kit_unwrap(self, "local:mine", wrapped, 9));
    assert_ok(bulla_keystore_root_rotate(self->house, &self->call, NULL));
    assert_ok(finish(self, "mine", &second, 2));
    bulla_key_info info = kit_info(self, "mine");
    assert_int_equal(info.primary_version, 2);
    assert_true(info.imported);
    assert_ok(kit_unwrap(self, "local:mine", wrapped, 9));
    bulla_wrapped_free(wrapped);
    kit_sound(self);
}

static void test_a_token_works_once_and_only_the_right_one_works(void **state)
{
    kit *self = *state;
    bulla_import import = begin(self, "mine"), wrong = import;
    wrong.token[5] = wrong.token[5] == '0' ? '1' : '0';
    assert_status(finish(self, "mine", &wrong, 1), BULLA_EAUTHN);
    (void)snprintf(wrong.token, sizeof wrong.token, "no hexadecimal");
    assert_status(finish(self, "mine", &wrong, 1), BULLA_EAUTHN);
    assert_ok(finish(self, "mine", &import, 1));
    assert_status(finish(self, "mine", &import, 1), BULLA_ESTATE);
    assert_int_equal(kit_sql_number(self, "SELECT count(*) FROM import"), 0);
}

static void test_an_expired_import_is_dropped(void **state)
{
    kit *self = *state;
    bulla_import import = begin(self, "mine");
    bulla_bytes pem = {.data = NULL};
    assert_ok(bulla_key_export_public(self->house, &self->call, "mine", &pem));
    assert_string_equal((const char *)pem.data, import.public_pem);
    bulla_bytes_done(&pem);
    kit_clock_forward(self, 3600);
    assert_status(finish(self, "mine", &import, 1), BULLA_ESTATE);
    assert_int_equal(kit_sql_number(self, "SELECT count(*) FROM import"), 0);
    assert_status(bulla_key_export_public(self->house, &self->call, "mine", &pem), BULLA_EUNSUPPORTED);
    import = begin(self, "mine");
    assert_ok(finish(self, "mine", &import, 1));
    kit_sound(self);
}

static void test_whatever_is_wrong_with_the_material_one_answer_is_given(void **state)
{
    kit *self = *state;
    uint8_t material[32] = {1}, wrapped[WRAPPED_LEN];
    char first[256] = "";
    static const size_t places[] = {0, 300, 511, 512, 530, 551};
    bulla_import import = begin(self, "mine");
    for (size_t i = 0; i <= BULLA_LEN(places); i++) {
        owner_wraps(self, import.public_pem, material, wrapped);
        size_t len = i == BULLA_LEN(places) ? sizeof wrapped - 8 : sizeof wrapped;
        if (i < BULLA_LEN(places)) wrapped[places[i]] ^= 1;
        assert_status(
            bulla_key_import_finish(self->house, &self->call, "mine", import.token, bulla_view_of(wrapped, len), NULL),
            BULLA_EINTEGRITY);
        if (i == 0) (void)snprintf(first, sizeof first, "%s", self->call.why);
        assert_string_equal(self->call.why, first);
    }
    assert_ok(finish(self, "mine", &import, 1));
}

static void test_a_key_made_here_takes_no_material(void **state)
{
    kit *self = *state;
    bulla_import import;
    kit_key(self, "ours");
    assert_status(bulla_key_import_begin(self->house, &self->call, "ours", 3600, &import), BULLA_ESTATE);
    assert_status(bulla_key_import_begin(self->house, &self->call, "x", 59, &import), BULLA_EINVAL);
    assert_status(bulla_key_import_begin(self->house, &self->call, "x", 604801, &import), BULLA_EINVAL);
    kit_sound(self);
}

static void test_a_value_longer_than_any_that_is_written_is_damage(void **state)
{
    kit *self = *state;
    bulla_bytes pem = {.data = NULL};
    (void)begin(self, "mine");
    kit_sql(self, "UPDATE import SET public = printf('%.*c', 2000000, 'x')");
    assert_status(bulla_key_export_public(self->house, &self->call, "mine", &pem), BULLA_ECORRUPT);
    assert_null(pem.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        TEST(test_material_from_outside_makes_a_key_and_its_next_version),
        TEST(test_a_token_works_once_and_only_the_right_one_works),
        TEST(test_an_expired_import_is_dropped),
        TEST(test_whatever_is_wrong_with_the_material_one_answer_is_given),
        TEST(test_a_key_made_here_takes_no_material),
        TEST(test_a_value_longer_than_any_that_is_written_is_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
