/* SPDX-License-Identifier: Apache-2.0 */
/* A server that binds no context, and says nothing of it, is found out before anything that it wrapped is handed out.
 */
#include "base/bytes.h"
#include "vault_kit.h"

#include <pthread.h>
#include <string.h>

#define DENIED "{\"errors\":[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]}"

static void assert_wrap_is(bulla_status expected)
{
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    assert_status(kit_wrap(&wrapped), expected);
    if (expected != BULLA_OK) assert_null(wrapped);
}

static void test_silence_about_the_context_is_no_consent(void **state)
{
    (void)state;
    kit.is_deaf = true;
    assert_wrap_is(BULLA_EUNSUPPORTED);
    assert_why("ignores associated_data");
    assert_why("Vault from 1.9 on");
}

static void test_a_server_that_is_deaf_in_encrypt_alone_is_found_out_too(void **state)
{
    (void)state;
    kit.is_deaf_in_encrypt = true;
    assert_wrap_is(BULLA_EUNSUPPORTED);
}

static void test_what_was_found_out_is_kept_for_a_minute(void **state)
{
    (void)state;
    kit.is_deaf = true;
    assert_wrap_is(BULLA_EUNSUPPORTED);
    size_t num = http_server_num_requests(kit.server);
    assert_wrap_is(BULLA_EUNSUPPORTED);
    assert_int_equal(http_server_num_requests(kit.server), num);
    kit.is_deaf = false; /* somebody has put a newer one in its place */
    fake_env_advance_ms(&kit.fake, 61000);
    assert_wrap_is(BULLA_OK);
}

static void test_the_proof_is_asked_for_once(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        assert_wrap_is(BULLA_OK);
    assert_int_equal(kit.num_decrypts, 1);
    fake_env_advance_ms(&kit.fake, 61000); /* the key is looked at again */
    assert_wrap_is(BULLA_OK);
    assert_int_equal(kit.num_decrypts, 1);
}

static void test_after_a_login_it_is_asked_for_again(void **state)
{
    (void)state;
    assert_wrap_is(BULLA_OK);
    (void)strcpy(kit.token, "s.gone");
    kit.is_deaf = true;
    assert_wrap_is(BULLA_EUNSUPPORTED);
    assert_int_equal(kit.num_logins, 2);
}

static void test_without_context_there_is_nothing_to_prove(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    kit.is_deaf = true;
    assert_ok(bulla_provider_wrap(kit.key, &kit.call, NULL, kit.dek, &wrapped));
    assert_int_equal(kit.num_decrypts, 0);
}

static void *wrap_once(void *arg)
{
    bulla_call call;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL;
    bulla_call_init(&call, &kit.fake.env);
    *(bulla_status *)arg = bulla_provider_wrap(kit.key, &call, kit.context, kit.dek, &wrapped);
    return NULL;
}

static void test_of_many_one_asks_for_the_proof(void **state)
{
    (void)state;
    pthread_t threads[8];
    bulla_status statuses[8];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wrap_once, &statuses[i]), 0);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(statuses[i]);
    }
    assert_int_equal(kit.num_encrypts, 8);
    assert_int_equal(kit.num_decrypts, 1);
}

static void test_without_proof_nothing_is_handed_out(void **state)
{
    (void)state;
    kit_fault("/decrypt/", 1, 503, "{\"errors\":[\"Vault is sealed\"]}");
    assert_wrap_is(BULLA_EUNAVAIL);
    kit_fault("/decrypt/", 1, 400, "{\"errors\":[\"something else\"]}");
    assert_wrap_is(BULLA_EINVAL);
    assert_wrap_is(BULLA_OK);
    assert_int_equal(kit.num_decrypts, 1);
}

/* Who may wrap and not open has to believe what the server says of itself. */
static void test_where_trying_is_forbidden_the_version_counts(void **state)
{
    (void)state;
    static const struct {
        const char *version;
        bulla_status status;
    } rows[] = {{"1.8.12", BULLA_EUNSUPPORTED},
                {NULL, BULLA_EUNSUPPORTED},
                {"1.x", BULLA_EUNSUPPORTED},
                {"0.11.0", BULLA_EUNSUPPORTED},
                {"1.9.0", BULLA_OK},
                {"1.17.3+ent", BULLA_OK},
                {"2.4.0", BULLA_OK}};
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        kit_restart(NULL);
        kit_must_open();
        kit_fault("/decrypt/", 1000, 403, DENIED);
        kit.health = rows[i].version;
        assert_wrap_is(rows[i].status);
        if (rows[i].status != BULLA_OK) assert_why("let it decrypt with transit/keys/app");
    }
    size_t num = http_server_num_requests(kit.server);
    assert_wrap_is(BULLA_OK);
    assert_int_equal(http_server_num_requests(kit.server), num + 1);
}

static void test_a_rewrap_hands_out_nothing_unbound(void **state)
{
    (void)state;
    BULLA_AUTO(bulla_wrapped) *wrapped = NULL, *again = NULL;
    assert_ok(kit_wrap(&wrapped));
    kit_must_open(); /* as another process would */
    kit.is_deaf = true;
    assert_status(bulla_provider_rewrap(kit.key, &kit.call, kit.context, wrapped, &again), BULLA_EUNSUPPORTED);
    assert_null(again);
    assert_int_equal(kit.num_rewraps, 0);
}

static void test_a_data_key_of_a_server_that_binds_nothing_is_not_handed_out(void **state)
{
    (void)state;
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    kit.is_deaf = true;
    assert_status(bulla_provider_datakey(kit.key, &kit.call, kit.context, 32, &dek, &wrapped), BULLA_EUNSUPPORTED);
    assert_true(dek == NULL && wrapped == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OPEN_CASE(test_silence_about_the_context_is_no_consent),
        OPEN_CASE(test_a_server_that_is_deaf_in_encrypt_alone_is_found_out_too),
        OPEN_CASE(test_what_was_found_out_is_kept_for_a_minute),
        OPEN_CASE(test_the_proof_is_asked_for_once),
        OPEN_CASE(test_after_a_login_it_is_asked_for_again),
        OPEN_CASE(test_without_context_there_is_nothing_to_prove),
        OPEN_CASE(test_of_many_one_asks_for_the_proof),
        OPEN_CASE(test_without_proof_nothing_is_handed_out),
        OPEN_CASE(test_where_trying_is_forbidden_the_version_counts),
        OPEN_CASE(test_a_rewrap_hands_out_nothing_unbound),
        OPEN_CASE(test_a_data_key_of_a_server_that_binds_nothing_is_not_handed_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
