/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where in this process are the keys? In locked pages that no dump shows while they are in use, and nowhere afterwards.
 * OpenSSL keeps the expanded key of a context that is in use in its own heap, which begins with the key itself
 * (SECURITY.md, Key bytes in memory); with that engine the first half of the rule is held to the keys that no context
 * was made of. Run once for each engine: the program's argument.
 */
#include "base/bytes.h"
#include "base/macros.h"
#include "bulla/bulla.h"
#include "crypto/kdf.h"
#include "crypto/keywrap.h"
#include "crypto/rsa.h"
#include "secrets/memory.h"
#include "secrets/spy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka_all.h"

static const char *engine = "auto";

struct world {
    char folder[32], key_path[64], key_address[96], root_address[128];
    bulla_call call;
    bulla *outer, *house; /* `house` sees `outer` through the spy */
    struct spy spy;
    struct needle key; /* what lies in the key file */
};

static void file_write(const char *path, const void *bytes, size_t len)
{
    FILE *file = fopen(path, "wbe");
    assert_non_null(file);
    (void)setvbuf(file, NULL, _IONBF, 0);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);
    (void)strcpy(world->folder, "/tmp/bulla-secrets-XXXXXX");
    assert_non_null(mkdtemp(world->folder));
    (void)snprintf(world->key_path, sizeof world->key_path, "%s/key", world->folder);
    (void)snprintf(world->key_address, sizeof world->key_address, "file:%s", world->key_path);
    (void)snprintf(world->root_address, sizeof world->root_address, "spy:%s", world->key_address);
    BULLA_WIPED(uint8_t, bytes, 32);
    needle_random(&world->key, sizeof bytes);
    needle_show(&world->key, bytes);
    file_write(world->key_path, bytes, sizeof bytes);

    char store[96];
    (void)snprintf(store, sizeof store, "%s/store", world->folder);
    bulla_call_init(&world->call, NULL);
    const bulla_options plain = {.size = sizeof plain, .aead = engine};
    const bulla_options with_store = {.size = sizeof with_store, .aead = engine, .store = store};
    assert_ok(bulla_open(&world->call, &plain, &world->outer));
    assert_ok(bulla_open(&world->call, &with_store, &world->house));
    assert_ok(spy_scheme_add(world->house, &world->call, world->outer, &world->spy));
    *state = world;
    return 0;
}

static void close_houses(struct world *world)
{
    bulla_close(world->house);
    bulla_close(world->outer);
    world->house = world->outer = NULL;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    close_houses(world);
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", world->folder);
    int status = system(command);
    free(world);
    return status;
}

static bool keeps_contexts(void)
{
    return strcmp(bulla_aead_name(), "openssl") == 0;
}

static void assert_nowhere(const struct needle *needle, const char *what)
{
    struct sightings seen = memory_search(needle);
    if (seen.locked + seen.open != 0)
        fail_msg("%s is still there: %zu times in locked pages, %zu times in %s", what, seen.locked, seen.open,
                 seen.open == 0 ? "none" : seen.where);
}

/* The key is there, in locked pages, and, but for what OpenSSL keeps in its contexts, nowhere else. */
static void assert_locked(const struct needle *needle, const char *what, bool in_context)
{
    struct sightings seen = memory_search(needle);
    if (seen.locked == 0) fail_msg("%s is in no locked page: what is looked for?", what);
    if (seen.open != 0 && !(in_context && keeps_contexts() && strcmp(seen.where, "[heap]") == 0))
        fail_msg("%s is %zu times in %s", what, seen.open, seen.where);
}

static void test_search_finds_a_key_in_open_memory(void **state)
{
    (void)state;
    struct needle planted;
    needle_random(&planted, 32);
    assert_nowhere(&planted, "a key that nobody has");
    uint8_t *copy = malloc(32);
    needle_show(&planted, copy);
    struct sightings seen = memory_search(&planted);
    bulla_wipe(copy, 32);
    free(copy);
    assert_int_equal(seen.locked, 0);
    assert_int_equal(seen.open, 2);
    assert_nowhere(&planted, "a key that was wiped");
}

static void test_key_file_of_raw_bytes_stays_in_locked_pages(void **state)
{
    struct world *world = *state;
    bulla_provider *key = NULL;
    assert_ok(bulla_provider_open(world->outer, &world->call, world->key_address, &key));
    assert_locked(&world->key, "the key file's key", true);
    bulla_provider_unref(key);
    assert_nowhere(&world->key, "the key file's key");
}

static void test_key_file_of_base64_leaves_neither_text_nor_key(void **state)
{
    struct world *world = *state;
    BULLA_WIPED(uint8_t, bytes, 32);
    BULLA_WIPED(char, text, 45);
    struct needle as_text;
    needle_show(&world->key, bytes);
    bulla_base64_encode((bulla_view){bytes, 32}, text);
    needle_set(&as_text, (bulla_view){(const uint8_t *)text, 44});
    file_write(world->key_path, text, 44);
    bulla_wipe(bytes, 32);
    bulla_wipe(text, 45);

    bulla_provider *key = NULL;
    assert_ok(bulla_provider_open(world->outer, &world->call, world->key_address, &key));
    assert_nowhere(&as_text, "the text of the key file");
    assert_locked(&world->key, "the key file's key", true);
    bulla_provider_unref(key);
    assert_nowhere(&world->key, "the key file's key");
}

static bulla_provider *open_spied_key(struct world *world)
{
    bulla_provider *key = NULL;
    assert_ok(bulla_provider_open(world->house, &world->call, world->root_address, &key));
    return key;
}

/* HKDF-SHA-512 of the data key with the message id as salt (algorithm-suites.md, Key Derivation Settings). */
static void message_key_of(struct world *world, bulla_view message, struct needle *out_key)
{
    BULLA_WIPED(uint8_t, dek, 32);
    BULLA_WIPED(uint8_t, key, 32);
    static const uint8_t info[] = "\x04\x78"
                                  "DERIVEKEY";
    bulla_view id = {message.data + 3, 32}; /* version, suite, then the id (message-header.md, Header Body Version 2) */
    needle_show(&world->spy.seen, dek);
    assert_ok(bulla_hkdf(&world->call, BULLA_SHA512, id, (bulla_view){dek, 32}, (bulla_view){info, sizeof info - 1},
                         key, sizeof key));
    needle_set(out_key, (bulla_view){key, 32});
}

static void test_data_key_of_a_message_stays_in_locked_pages(void **state)
{
    struct world *world = *state;
    static uint8_t plaintext[200000], message[300000];
    bulla_provider *key = open_spied_key(world);
    bulla_encrypt_options to = {.size = sizeof to, .recipients = &key, .num_recipients = 1};
    bulla_stream *stream = NULL;
    size_t used = 0, len = 0, rest = 0;
    bool done = false;
    assert_ok(bulla_encrypt_open(&world->call, &to, &stream));
    assert_ok(bulla_stream_write(stream, &world->call, (bulla_view){plaintext, sizeof plaintext}, &used, message,
                                 sizeof message, &len));
    assert_int_equal(used, sizeof plaintext);
    struct needle message_key;
    message_key_of(world, (bulla_view){message, len}, &message_key);
    assert_locked(&message_key, "the message's key", true);
    assert_ok(bulla_stream_finish(stream, &world->call, message + len, sizeof message - len, &rest, &done));
    assert_true(done);
    bulla_stream_close(stream);
    assert_nowhere(&world->spy.seen, "the message's data key");
    assert_nowhere(&message_key, "the message's key");

    bulla_decrypt_options from = {.size = sizeof from, .recipients = &key, .num_recipients = 1};
    bulla_bytes opened = {0};
    assert_ok(bulla_decrypt(&world->call, &from, (bulla_view){message, len + rest}, &opened));
    assert_int_equal(opened.len, sizeof plaintext);
    bulla_bytes_done(&opened);
    assert_nowhere(&world->spy.seen, "the message's data key");
    assert_nowhere(&message_key, "the message's key");
    bulla_provider_unref(key);
}

static void test_message_that_is_refused_leaves_no_key(void **state)
{
    struct world *world = *state;
    bulla_provider *key = open_spied_key(world);
    bulla_encrypt_options to = {.size = sizeof to, .recipients = &key, .num_recipients = 1};
    bulla_decrypt_options from = {.size = sizeof from, .recipients = &key, .num_recipients = 1};
    bulla_bytes message = {0}, opened = {0};
    assert_ok(bulla_encrypt(&world->call, &to, (bulla_view){(const uint8_t *)"tokens", 6}, &message));
    message.data[message.len - 1] ^= 1;
    assert_status(bulla_decrypt(&world->call, &from, (bulla_view){message.data, message.len}, &opened),
                  BULLA_EINTEGRITY);
    struct needle message_key;
    message_key_of(world, (bulla_view){message.data, message.len}, &message_key);
    assert_nowhere(&world->spy.seen, "the data key of a refused message");
    assert_nowhere(&message_key, "the key of a refused message");
    bulla_bytes_done(&message);
    bulla_provider_unref(key);
}

static void test_data_key_of_records_goes_with_its_last_reference(void **state)
{
    struct world *world = *state;
    bulla_provider *key = open_spied_key(world);
    bulla_datakey *datakey = NULL;
    uint8_t record[6 + BULLA_RECORD_OVERHEAD], text[6];
    size_t len = 0;
    assert_ok(bulla_datakey_create(&world->call, key, NULL, NULL, &datakey));
    assert_ok(bulla_record_encrypt(datakey, &world->call, NULL, (bulla_view){(const uint8_t *)"tokens", 6}, record,
                                   sizeof record, &len));
    assert_ok(bulla_record_decrypt(datakey, &world->call, NULL, (bulla_view){record, len}, text, sizeof text, &len));
    assert_locked(&world->spy.seen, "the records' data key", true);
    bulla_datakey_unref(datakey);
    assert_nowhere(&world->spy.seen, "the records' data key");
    bulla_provider_unref(key);
}

static void test_cached_data_key_is_locked_until_it_is_purged(void **state)
{
    struct world *world = *state;
    bulla_provider *key = open_spied_key(world), *cache = NULL;
    const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 60000};
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    assert_ok(bulla_cache_new(&world->call, key, &options, &cache));
    assert_ok(bulla_provider_datakey(cache, &world->call, NULL, 32, &dek, &wrapped));
    bulla_secret_unref(dek);
    dek = NULL;
    assert_ok(bulla_provider_unwrap(cache, &world->call, NULL, wrapped, &dek));
    bulla_secret_unref(dek);
    assert_locked(&world->spy.seen, "a cached data key", false);
    bulla_provider_purge(cache, (bulla_view){NULL, 0});
    assert_nowhere(&world->spy.seen, "a purged data key");
    bulla_wrapped_free(wrapped);
    bulla_provider_unref(cache);
    bulla_provider_unref(key);
}

static void test_root_key_of_the_keystore_is_gone_when_it_closes(void **state)
{
    struct world *world = *state;
    bulla_provider *key = NULL;
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    assert_ok(bulla_keystore_create(world->house, &world->call, world->root_address));
    assert_ok(bulla_key_create(world->house, &world->call, "k", NULL, NULL));
    assert_ok(bulla_key_rotate(world->house, &world->call, "k", NULL));
    assert_ok(bulla_provider_open(world->house, &world->call, "local:k", &key));
    assert_ok(bulla_provider_datakey(key, &world->call, NULL, 32, &dek, &wrapped));
    struct sightings seen = memory_search(&world->spy.seen);
    if (seen.open != 0 && !(keeps_contexts() && strcmp(seen.where, "[heap]") == 0))
        fail_msg("the root key is in %s", seen.where);
    struct needle data_key;
    needle_set(&data_key, bulla_secret_borrow(dek));
    bulla_secret_unref(dek);
    bulla_wrapped_free(wrapped);
    bulla_provider_unref(key);
    close_houses(world);
    assert_nowhere(&data_key, "the data key");
    assert_nowhere(&world->spy.seen, "the root key");
    assert_nowhere(&world->key, "the key that protects the root key");
}

/* The owner's side of an import: material under AES-KWP, that key under OAEP. */
static size_t material_wrap(struct world *world, const char *pem, uint8_t *out, size_t cap)
{
    BULLA_WIPED(uint8_t, material, 32);
    BULLA_WIPED(uint8_t, ephemeral, 32);
    bulla_rsa *rsa = NULL;
    size_t len = 0, more = 0;
    needle_show(&world->key, material);
    assert_ok(bulla_random(&world->call, ephemeral, sizeof ephemeral));
    assert_ok(bulla_rsa_parse(&world->call, (bulla_view){(const uint8_t *)pem, strlen(pem)}, &rsa));
    assert_ok(bulla_rsa_encrypt(&world->call, rsa, BULLA_RSA_OAEP_SHA256, (bulla_view){ephemeral, 32}, out, cap, &len));
    assert_ok(bulla_kwp_wrap(&world->call, (bulla_view){ephemeral, 32}, (bulla_view){material, 32}, out + len,
                             cap - len, &more));
    bulla_rsa_free(rsa);
    return len + more;
}

static void test_imported_key_is_gone_when_the_keystore_closes(void **state)
{
    struct world *world = *state;
    bulla_import import;
    bulla_provider *key = NULL;
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    uint8_t blob[1024];
    /* The file is the root's too: another one for it, so that the needle is the imported key alone. */
    uint8_t other[32];
    assert_ok(bulla_random(&world->call, other, sizeof other));
    file_write(world->key_path, other, sizeof other);
    assert_ok(bulla_keystore_create(world->house, &world->call, world->root_address));
    assert_ok(bulla_key_import_begin(world->house, &world->call, "k", 3600, &import));
    size_t len = material_wrap(world, import.public_pem, blob, sizeof blob);
    assert_ok(bulla_key_import_finish(world->house, &world->call, "k", import.token, (bulla_view){blob, len}, NULL));
    assert_ok(bulla_provider_open(world->house, &world->call, "local:k", &key));
    assert_ok(bulla_provider_datakey(key, &world->call, NULL, 32, &dek, &wrapped));
    bulla_secret_unref(dek);
    bulla_wrapped_free(wrapped);
    bulla_provider_unref(key);
    close_houses(world);
    assert_nowhere(&world->key, "the imported key");
}

/* Where the first prime and the coefficient begin in a PKCS#8 encoding of 4,096 bits is found by walking over the
 * numbers: tag, length of two bytes, and a zero where the first bit is set. */
static bulla_view number_at(bulla_view der, size_t index)
{
    size_t at = 4 + 3 + 15 + 4 + 4 + 3; /* heads, versions, algorithm */
    for (size_t i = 0;; i++) {
        size_t len = der.data[at + 1], head = 2;
        if (len == 0x81 || len == 0x82) {
            head = len == 0x81 ? 3 : 4;
            len = len == 0x81 ? der.data[at + 2] : (size_t)der.data[at + 2] << 8 | der.data[at + 3];
        }
        if (i == index) return (bulla_view){der.data + at + head + 1, len - 1};
        at += head + len;
    }
}

enum { EXPONENT = 2, PRIME = 3, COEFFICIENT = 7, NUM_PARTS = 3 };

struct rsa_needles {
    struct needle encoded[NUM_PARTS], counted[NUM_PARTS]; /* as they stand in DER, and as OpenSSL counts with them */
    struct needle text_end;                               /* of the PEM, before its last line */
};

static void rsa_needles_set(struct rsa_needles *needles, bulla_view der)
{
    static const size_t parts[NUM_PARTS] = {EXPONENT, PRIME, COEFFICIENT};
    for (size_t i = 0; i < NUM_PARTS; i++) {
        uint8_t reversed[32];
        bulla_view number = number_at(der, parts[i]);
        for (size_t k = 0; k < sizeof reversed; k++)
            reversed[k] = number.data[number.len - 1 - k - 16]; /* not the last bytes: short numbers have other ends */
        needle_set(&needles->encoded[i], (bulla_view){number.data + 16, 48});
        needle_set(&needles->counted[i], (bulla_view){reversed, sizeof reversed});
        bulla_wipe(reversed, sizeof reversed);
    }
}

static void assert_no_part(const struct rsa_needles *needles, bool in_use, const char *what)
{
    static const char *const names[NUM_PARTS] = {"exponent", "prime", "coefficient"};
    char name[64];
    for (size_t i = 0; i < NUM_PARTS; i++) {
        (void)snprintf(name, sizeof name, "the %s of %s", names[i], what);
        assert_nowhere(&needles->encoded[i], name);
        if (!in_use) assert_nowhere(&needles->counted[i], name);
    }
}

static void test_rsa_key_that_was_made_and_encoded_leaves_nothing(void **state)
{
    struct world *world = *state;
    struct rsa_needles needles;
    bulla_rsa *rsa = NULL, *again = NULL;
    bulla_secret *der = NULL;
    assert_ok(bulla_rsa_generate(&world->call, 4096, &rsa));
    assert_ok(bulla_rsa_private_der(&world->call, rsa, &der));
    rsa_needles_set(&needles, bulla_secret_borrow(der));
    assert_int_equal(memory_search(&needles.encoded[1]).locked, 1 + 1); /* both ends of it, in the secret alone */
    assert_int_equal(memory_search(&needles.encoded[1]).open, 0);
    bulla_rsa_free(rsa);
    assert_ok(bulla_rsa_private_parse(&world->call, bulla_secret_borrow(der), &again));
    bulla_secret_unref(der);
    assert_no_part(&needles, true, "a key in use");
    bulla_rsa_free(again);
    assert_no_part(&needles, false, "a key that was freed");
}

static void pem_write(struct world *world, bulla_view der, struct needle *out_text_end)
{
    static const char head[] = "-----BEGIN PRIVATE KEY-----\n", tail[] = "-----END PRIVATE KEY-----\n";
    BULLA_WIPED(char, text, 4096);
    BULLA_WIPED(char, lines, 4096);
    bulla_base64_encode(der, text);
    size_t len = strlen(text), at = sizeof head - 1;
    memcpy(lines, head, at);
    for (size_t i = 0; i < len; i += 64) {
        size_t part = len - i < 64 ? len - i : 64;
        memcpy(lines + at, text + i, part);
        lines[at + part] = '\n';
        at += part + 1;
    }
    memcpy(lines + at, tail, sizeof tail - 1);
    needle_set(out_text_end, (bulla_view){(const uint8_t *)text + (len - 1) / 64 * 64 - 64, 64});
    file_write(world->key_path, lines, at + sizeof tail - 1);
}

static void test_rsa_key_in_a_file_leaves_neither_text_nor_key(void **state)
{
    struct world *world = *state;
    struct rsa_needles needles;
    bulla_rsa *rsa = NULL;
    bulla_secret *der = NULL, *dek = NULL, *opened = NULL;
    bulla_wrapped *wrapped = NULL;
    bulla_provider *key = NULL;
    char address[96];
    assert_ok(bulla_rsa_generate(&world->call, 4096, &rsa));
    assert_ok(bulla_rsa_private_der(&world->call, rsa, &der));
    rsa_needles_set(&needles, bulla_secret_borrow(der));
    pem_write(world, bulla_secret_borrow(der), &needles.text_end);
    bulla_rsa_free(rsa);
    bulla_secret_unref(der);
    (void)snprintf(address, sizeof address, "rsa:%s", world->key_path);
    assert_ok(bulla_provider_open(world->outer, &world->call, address, &key));
    assert_nowhere(&needles.text_end, "the text of the key file");
    assert_no_part(&needles, true, "the key file's key");
    assert_ok(bulla_provider_datakey(key, &world->call, NULL, 32, &dek, &wrapped));
    assert_ok(bulla_provider_unwrap(key, &world->call, NULL, wrapped, &opened));
    bulla_secret_unref(dek);
    bulla_secret_unref(opened);
    bulla_wrapped_free(wrapped);
    bulla_provider_unref(key);
    assert_no_part(&needles, false, "the key file's key");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_search_finds_a_key_in_open_memory),
        cmocka_unit_test_setup_teardown(test_key_file_of_raw_bytes_stays_in_locked_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_key_file_of_base64_leaves_neither_text_nor_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_data_key_of_a_message_stays_in_locked_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_message_that_is_refused_leaves_no_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_data_key_of_records_goes_with_its_last_reference, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cached_data_key_is_locked_until_it_is_purged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_root_key_of_the_keystore_is_gone_when_it_closes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rsa_key_that_was_made_and_encoded_leaves_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_rsa_key_in_a_file_leaves_neither_text_nor_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_imported_key_is_gone_when_the_keystore_closes, set_up, tear_down),
    };
    if (argc > 1) engine = argv[1];
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla *house = NULL;
    const bulla_options options = {.size = sizeof options, .aead = engine};
    if (bulla_open(&call, &options, &house) == BULLA_EUNSUPPORTED) {
        (void)printf("skipped: %s\n", call.why);
        return 77;
    }
    bulla_close(house);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
