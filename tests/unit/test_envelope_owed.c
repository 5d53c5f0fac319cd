/* SPDX-License-Identifier: Apache-2.0 */
/* Messages for N of M recipients: made while a store is down, settled when it is back, opened without asking the dead.
 */
#include "base/bytes.h"
#include "base/macros.h"
#include "base/mem.h"
#include "bulla/envelope.h"
#include "cmocka_all.h"
#include "envelope/owed.h"
#include "fakes/memory_provider.h"

#include <string.h>

enum { ANN, BOB, EVE, NUM };
static const char *const names[NUM] = {"memory:ann", "memory:bob", "memory:eve"};

static bulla_provider *stores[NUM];
static bulla_call call;
static size_t num_owed;

static int set_up(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    for (unsigned i = 0; i < NUM; i++)
        if (memory_provider_new(&call, names[i], (uint8_t)(i + 1), &stores[i]) != BULLA_OK) return -1;
    num_owed = 99;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < NUM; i++)
        bulla_provider_unref(stores[i]);
    return 0;
}

static bulla_encrypt_options two_of_three(void)
{
    return (bulla_encrypt_options){.size = sizeof(bulla_encrypt_options),
                                   .recipients = stores,
                                   .num_recipients = NUM,
                                   .min_recipients = 2,
                                   .names = names,
                                   .num_owed = &num_owed};
}

static bulla_bytes encrypt(const bulla_encrypt_options *options)
{
    bulla_bytes message = {0};
    if (bulla_encrypt(&call, options, bulla_view_text("attack at dawn"), &message) != BULLA_OK)
        fail_msg("%s", call.why);
    return message;
}

static bulla_status decrypt(bulla_bytes message, unsigned with)
{
    const bulla_decrypt_options options = {.size = sizeof options, .recipients = &stores[with], .num_recipients = 1};
    bulla_bytes text = {0};
    bulla_status status = bulla_decrypt(&call, &options, bulla_view_of(message.data, message.len), &text);
    if (status == BULLA_OK) assert_true(bulla_view_is(bulla_view_of(text.data, text.len), "attack at dawn"));
    bulla_bytes_done(&text);
    return status;
}

static bulla_status read_all(void *arg, bulla_call *read_call, uint8_t *buf, size_t len, size_t *out_len)
{
    (void)read_call;
    bulla_view *rest = arg;
    *out_len = len < rest->len ? len : rest->len;
    memcpy(buf, rest->data, *out_len);
    *rest = bulla_view_of(rest->data + *out_len, rest->len - *out_len);
    return BULLA_OK;
}

static bulla_message *header_of(bulla_bytes message)
{
    bulla_view rest = bulla_view_of(message.data, message.len);
    const bulla_source source = {read_all, &rest};
    bulla_message *opened = NULL;
    assert_int_equal(bulla_message_open(&call, &source, &opened), BULLA_OK);
    return opened;
}

/* Puts a new header before the old body. */
static bulla_status settle(bulla_bytes *message, const bulla_rewrap_options *options)
{
    bulla_message *opened = header_of(*message);
    size_t old_len = bulla_message_info_get(opened)->header_len;
    bulla_bytes header = {0};
    bulla_status status = bulla_message_rewrap(opened, &call, options, &header);
    bulla_message_close(opened);
    if (status != BULLA_OK) return status;
    size_t body_len = message->len - old_len;
    void *memory = NULL;
    assert_int_equal(bulla_alloc(&call, header.len + body_len, &memory), BULLA_OK);
    memcpy(memory, header.data, header.len);
    memcpy((uint8_t *)memory + header.len, message->data + old_len, body_len);
    bulla_bytes made = {memory, header.len + body_len, bulla_env_of(&call)};
    bulla_bytes_done(&header);
    bulla_bytes_done(message);
    *message = made;
    return BULLA_OK;
}

static bulla_rewrap_options added(const unsigned *who, size_t num, bulla_provider **add, const char **add_names)
{
    for (size_t i = 0; i < num; i++) {
        add[i] = stores[who[i]];
        add_names[i] = names[who[i]];
    }
    return (bulla_rewrap_options){.size = sizeof(bulla_rewrap_options),
                                  .open = &stores[ANN],
                                  .num_open = 1,
                                  .add = add,
                                  .num_add = num,
                                  .add_names = add_names,
                                  .keep_owed = true};
}

static size_t owed_in(bulla_bytes message, const char *name)
{
    bulla_message *opened = header_of(message);
    const bulla_message_info *info = bulla_message_info_get(opened);
    size_t num = 0;
    for (size_t i = 0; i < info->num_recipients; i++)
        num += bulla_wrapped_is_owed(&info->recipients[i], name);
    bulla_message_close(opened);
    return num;
}

static void test_a_store_that_does_not_answer_is_owed(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    memory_provider_down_set(stores[BOB], true);
    bulla_bytes message = encrypt(&options);
    assert_int_equal(num_owed, 1);
    assert_int_equal(owed_in(message, names[BOB]), 1);
    assert_int_equal(owed_in(message, NULL), 1);
    assert_int_equal(decrypt(message, ANN), BULLA_OK);
    assert_int_equal(decrypt(message, EVE), BULLA_OK);
    memory_provider_down_set(stores[BOB], false);
    assert_int_equal(decrypt(message, BOB), BULLA_ENORECIPIENT);
    bulla_bytes_done(&message);
}

static void test_the_first_store_may_be_the_one_that_is_down(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    memory_provider_down_set(stores[ANN], true);
    bulla_bytes message = encrypt(&options);
    assert_int_equal(owed_in(message, names[ANN]), 1);
    assert_int_equal(decrypt(message, BOB), BULLA_OK);
    bulla_bytes_done(&message);
}

static void test_fewer_than_n_make_no_message(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    bulla_bytes message = {0};
    memory_provider_down_set(stores[ANN], true);
    memory_provider_down_set(stores[EVE], true);
    assert_int_equal(bulla_encrypt(&call, &options, bulla_view_text("x"), &message), BULLA_EUNAVAIL);
    assert_null(message.data);
    assert_int_equal(num_owed, 99);
    options.min_recipients = 0; /* all */
    memory_provider_down_set(stores[EVE], false);
    assert_int_equal(bulla_encrypt(&call, &options, bulla_view_text("x"), &message), BULLA_EUNAVAIL);
}

static void test_a_refusal_is_no_debt(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    bulla_bytes message = {0};
    memory_provider_state_set(stores[BOB], BULLA_KEY_DISABLED);
    assert_int_equal(bulla_encrypt(&call, &options, bulla_view_text("x"), &message), BULLA_ESTATE);
}

static void test_n_of_m_wants_names_and_a_possible_n(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    bulla_bytes message = {0};
    options.names = NULL;
    assert_int_equal(bulla_encrypt(&call, &options, bulla_view_text("x"), &message), BULLA_EINVAL);
    options = two_of_three();
    options.min_recipients = NUM + 1;
    assert_int_equal(bulla_encrypt(&call, &options, bulla_view_text("x"), &message), BULLA_EINVAL);
}

static void test_a_debt_is_settled_when_the_store_is_back(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    bulla_provider *add[NUM];
    const char *add_names[NUM];
    const unsigned bob[] = {BOB};
    memory_provider_down_set(stores[BOB], true);
    bulla_bytes message = encrypt(&options);
    bulla_rewrap_options rewrap = added(bob, 1, add, add_names);
    assert_int_equal(settle(&message, &rewrap), BULLA_EUNAVAIL); /* still down: nothing changed */
    memory_provider_down_set(stores[BOB], false);
    assert_int_equal(settle(&message, &rewrap), BULLA_OK);
    assert_int_equal(owed_in(message, NULL), 0);
    for (unsigned i = 0; i < NUM; i++)
        assert_int_equal(decrypt(message, i), BULLA_OK);
    bulla_bytes_done(&message);
}

static void test_one_debt_is_settled_while_another_stays(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    bulla_provider *add[NUM];
    const char *add_names[NUM];
    const unsigned both[] = {BOB, EVE};
    options.min_recipients = 1;
    memory_provider_down_set(stores[BOB], true);
    memory_provider_down_set(stores[EVE], true);
    bulla_bytes message = encrypt(&options);
    assert_int_equal(num_owed, 2);
    memory_provider_down_set(stores[EVE], false);
    bulla_rewrap_options rewrap = added(both, 2, add, add_names);
    assert_int_equal(settle(&message, &rewrap), BULLA_OK);
    assert_int_equal(owed_in(message, names[BOB]), 1);
    assert_int_equal(owed_in(message, names[EVE]), 0);
    assert_int_equal(decrypt(message, EVE), BULLA_OK);
    bulla_bytes_done(&message);
}

static void test_a_debt_can_be_given_up(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    memory_provider_down_set(stores[BOB], true);
    bulla_bytes message = encrypt(&options);
    const bulla_rewrap_options rewrap = {.size = sizeof rewrap,
                                         .open = &stores[ANN],
                                         .num_open = 1,
                                         .drop = &stores[BOB],
                                         .num_drop = 1,
                                         .drop_names = &names[BOB]};
    assert_int_equal(settle(&message, &rewrap), BULLA_OK);
    assert_int_equal(owed_in(message, NULL), 0);
    bulla_bytes_done(&message);
}

static void test_a_forged_debt_breaks_the_header(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    memory_provider_down_set(stores[BOB], true);
    bulla_bytes message = encrypt(&options);
    uint8_t *name = memmem(message.data, message.len, names[BOB], strlen(names[BOB]));
    assert_non_null(name);
    name[strlen(names[BOB]) - 1] ^= 1;
    assert_int_equal(decrypt(message, ANN), BULLA_EINTEGRITY);
    bulla_bytes_done(&message);
}

static void test_a_dead_store_is_not_asked_twice_and_the_likeliest_first(void **state)
{
    (void)state;
    bulla_encrypt_options options = two_of_three();
    size_t likeliest = SIZE_MAX;
    bulla_provider *both[] = {stores[BOB], stores[ANN]};
    const bulla_decrypt_options decrypting = {
        .size = sizeof decrypting, .recipients = both, .num_recipients = 2, .likeliest = &likeliest};
    bulla_bytes message = encrypt(&options), text = {0};
    bulla_provider *pair[] = {stores[BOB], stores[BOB]}; /* two wrapped keys of one store */
    options.recipients = pair;
    options.num_recipients = 2;
    bulla_bytes twice = encrypt(&options);
    memory_provider_down_set(stores[BOB], true);
    size_t before = memory_provider_counts(stores[BOB]).unwraps;
    assert_int_equal(bulla_decrypt(&call, &decrypting, bulla_view_of(twice.data, twice.len), &text), BULLA_EUNAVAIL);
    assert_int_equal(memory_provider_counts(stores[BOB]).unwraps, before + 1);
    assert_int_equal(bulla_decrypt(&call, &decrypting, bulla_view_of(message.data, message.len), &text), BULLA_OK);
    assert_int_equal(likeliest, 1);
    bulla_bytes_done(&text);
    before = memory_provider_counts(stores[BOB]).unwraps;
    assert_int_equal(bulla_decrypt(&call, &decrypting, bulla_view_of(message.data, message.len), &text), BULLA_OK);
    assert_int_equal(memory_provider_counts(stores[BOB]).unwraps, before); /* ann opened the last one */
    bulla_bytes_done(&text);
    bulla_bytes_done(&twice);
    bulla_bytes_done(&message);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_store_that_does_not_answer_is_owed),
        TEST(test_the_first_store_may_be_the_one_that_is_down),
        TEST(test_fewer_than_n_make_no_message),
        TEST(test_a_refusal_is_no_debt),
        TEST(test_n_of_m_wants_names_and_a_possible_n),
        TEST(test_a_debt_is_settled_when_the_store_is_back),
        TEST(test_one_debt_is_settled_while_another_stays),
        TEST(test_a_debt_can_be_given_up),
        TEST(test_a_forged_debt_breaks_the_header),
        TEST(test_a_dead_store_is_not_asked_twice_and_the_likeliest_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
