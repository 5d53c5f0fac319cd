/* SPDX-License-Identifier: Apache-2.0 */
/* Google Cloud KMS on the wire, against bodies as the service writes them and against what it recorded. */
#include "wire/gcpkms.h"

#include "cmocka_all.h"
#include "wire/crc32c.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY "projects/p/locations/global/keyRings/r/cryptoKeys/k"

static bulla_call call;

static int start(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    return 0;
}

static void names_are_taken_apart(void **state)
{
    (void)state;
    bulla_gcpkms_name name;
    assert_true(bulla_gcpkms_name_parse(bulla_view_text(KEY "/cryptoKeyVersions/29"), &name));
    assert_true(bulla_view_is(name.key, KEY) && name.version == 29);
    assert_true(bulla_view_is(name.project, "p") && bulla_view_is(name.location, "global"));
    assert_true(bulla_view_is(name.ring, "r") && bulla_view_is(name.id, "k"));
    assert_true(bulla_gcpkms_name_parse(bulla_view_text(KEY), &name));
    assert_int_equal(name.version, 0);
    assert_true(bulla_gcpkms_name_parse(bulla_view_text("projects/example.com:app/locations/l/keyRings/r/cryptoKeys/k"),
                                        &name));
}

static void what_is_no_name_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "projects/p",
                                        "projects//locations/l/keyRings/r/cryptoKeys/k",
                                        KEY "/",
                                        KEY "/x",
                                        KEY "/cryptoKeyVersions/",
                                        KEY "/cryptoKeyVersions/0",
                                        KEY "/cryptoKeyVersions/01",
                                        KEY "/cryptoKeyVersions/1x",
                                        KEY "/cryptoKeyVersions/4294967296",
                                        KEY "?x",
                                        KEY "%2e",
                                        "projects/../locations/l/keyRings/r/cryptoKeys/k",
                                        "Projects/p/locations/l/keyRings/r/cryptoKeys/k",
                                        KEY ":decrypt"};
    bulla_gcpkms_name name = {.version = 7};
    for (size_t i = 0; i < BULLA_LEN(texts); i++)
        assert_false(bulla_gcpkms_name_parse(bulla_view_text(texts[i]), &name));
    assert_int_equal(name.version, 7);
}

static void requests_carry_their_checksums(void **state)
{
    (void)state;
    bulla_secret *body = NULL;
    assert_ok(bulla_gcpkms_encrypt_encode(&call, bulla_view_text("123456789"), bulla_view_text("aad"), &body));
    char expected[256];
    (void)snprintf(expected, sizeof expected,
                   "{\"plaintext\":\"MTIzNDU2Nzg5\",\"plaintextCrc32c\":\"3808858755\","
                   "\"additionalAuthenticatedData\":\"YWFk\",\"additionalAuthenticatedDataCrc32c\":\"%u\"}",
                   bulla_crc32c(bulla_view_text("aad")));
    assert_true(bulla_view_is(bulla_secret_borrow(body), expected));
    bulla_secret_unref(body);
    assert_ok(bulla_gcpkms_decrypt_encode(&call, bulla_view_text("123456789"), bulla_view_text(""), &body));
    assert_true(bulla_view_is(bulla_secret_borrow(body),
                              "{\"ciphertext\":\"MTIzNDU2Nzg5\",\"ciphertextCrc32c\":\"3808858755\"}"));
    bulla_secret_unref(body);
}

static void a_context_that_is_too_long_is_refused_here(void **state)
{
    (void)state;
    static uint8_t aad[BULLA_GCPKMS_MAX_AAD + 1];
    bulla_secret *body = NULL;
    assert_status(bulla_gcpkms_encrypt_encode(&call, bulla_view_text("k"), bulla_view_of(aad, sizeof aad), &body),
                  BULLA_ELIMIT);
    assert_null(body);
    assert_ok(bulla_gcpkms_encrypt_encode(&call, bulla_view_text("k"), bulla_view_of(aad, sizeof aad - 1), &body));
    bulla_secret_unref(body);
}

static void checksums_of_answers_are_told_apart(void **state)
{
    (void)state;
#define ENCRYPTED "{\"name\":\"" KEY "/cryptoKeyVersions/3\",\"ciphertext\":\"MTIzNDU2Nzg5\""
    static const struct {
        const char *body;
        bulla_gcpkms_sums sums;
    } rows[] = {
        {ENCRYPTED ",\"ciphertextCrc32c\":\"3808858755\",\"verifiedPlaintextCrc32c\":true}", BULLA_GCPKMS_SUMS_RIGHT},
        {ENCRYPTED ",\"ciphertextCrc32c\":\"3808858755\"}", BULLA_GCPKMS_SUMS_WRONG}, /* absent when false */
        {ENCRYPTED ",\"ciphertextCrc32c\":\"3808858755\",\"verifiedPlaintextCrc32c\":false}", BULLA_GCPKMS_SUMS_WRONG},
        {ENCRYPTED ",\"ciphertextCrc32c\":\"3808858754\",\"verifiedPlaintextCrc32c\":true}", BULLA_GCPKMS_SUMS_WRONG},
        {ENCRYPTED ",\"ciphertextCrc32c\":\"x\",\"verifiedPlaintextCrc32c\":true}", BULLA_GCPKMS_SUMS_WRONG},
        {ENCRYPTED ",\"verifiedPlaintextCrc32c\":true}", BULLA_GCPKMS_SUMS_ABSENT},
        {ENCRYPTED "}", BULLA_GCPKMS_SUMS_ABSENT},
    };
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        BULLA_GCPKMS_ANSWER(answer);
        assert_ok(bulla_gcpkms_encrypt_read(&call, bulla_view_text(rows[i].body), &answer));
        assert_int_equal(answer.sums, rows[i].sums);
        assert_string_equal(answer.name, KEY "/cryptoKeyVersions/3");
        assert_true(bulla_view_is(bulla_secret_borrow(answer.bytes), "123456789"));
    }
}

static void an_answer_tells_whether_the_additional_data_arrived(void **state)
{
    (void)state;
    static const char *const bodies[] = {ENCRYPTED ",\"verifiedAdditionalAuthenticatedDataCrc32c\":true}",
                                         ENCRYPTED ",\"verifiedAdditionalAuthenticatedDataCrc32c\":false}",
                                         ENCRYPTED "}"};
    for (size_t i = 0; i < BULLA_LEN(bodies); i++) {
        BULLA_GCPKMS_ANSWER(answer);
        assert_ok(bulla_gcpkms_encrypt_read(&call, bulla_view_text(bodies[i]), &answer));
        assert_int_equal(answer.has_aad, i == 0);
    }
}

static void decrypted_bytes_are_compared_with_their_checksum(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bulla_gcpkms_sums sums;
    } rows[] = {
        {"{\"plaintext\":\"MTIzNDU2Nzg5\",\"plaintextCrc32c\":\"3808858755\",\"usedPrimary\":true}",
         BULLA_GCPKMS_SUMS_RIGHT},
        {"{\"plaintext\":\"MTIzNDU2Nzg4\",\"plaintextCrc32c\":\"3808858755\"}", BULLA_GCPKMS_SUMS_WRONG},
        {"{\"plaintext\":\"MTIzNDU2Nzg5\"}", BULLA_GCPKMS_SUMS_ABSENT},
    };
    for (size_t i = 0; i < BULLA_LEN(rows); i++) {
        BULLA_GCPKMS_ANSWER(answer);
        assert_ok(bulla_gcpkms_decrypt_read(&call, bulla_view_text(rows[i].body), &answer));
        assert_int_equal(answer.sums, rows[i].sums);
    }
}

static void answers_that_nobody_promised_are_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {"",
                                         "<html>",
                                         "{}",
                                         "null",
                                         "{\"name\":\"" KEY "\",\"ciphertext\":\"AAAA\"}",
                                         "{\"name\":\"" KEY "/cryptoKeyVersions/1\"}",
                                         "{\"name\":\"" KEY "/cryptoKeyVersions/1\",\"ciphertext\":\"A\"}",
                                         "{\"name\":\"x\",\"ciphertext\":\"AAAA\",\"plaintext\":7}"};
    for (size_t i = 0; i < BULLA_LEN(bodies); i++) {
        bulla_gcpkms_key key;
        BULLA_GCPKMS_ANSWER(answer);
        assert_status(bulla_gcpkms_encrypt_read(&call, bulla_view_text(bodies[i]), &answer), BULLA_EFORMAT);
        assert_status(bulla_gcpkms_decrypt_read(&call, bulla_view_text(bodies[i]), &answer), BULLA_EFORMAT);
        if (i < 4) assert_status(bulla_gcpkms_key_read(&call, bulla_view_text(bodies[i]), &key), BULLA_EFORMAT);
        assert_null(answer.bytes);
    }
}

static void a_key_tells_its_primary_version_and_its_rotation(void **state)
{
    (void)state;
    static const char body[] =
        "{\"name\":\"" KEY "\",\"primary\":{\"name\":\"" KEY "/cryptoKeyVersions/29\",\"state\":\"DESTROY_SCHEDULED\","
        "\"createTime\":\"2000-03-01T00:00:00.5Z\",\"destroyTime\":\"2026-11-22T00:00:00Z\",\"protectionLevel\":"
        "\"HSM\"},"
        "\"purpose\":\"ENCRYPT_DECRYPT\",\"createTime\":\"2000-03-01T00:00:00Z\",\"rotationPeriod\":\"7776000s\","
        "\"nextRotationTime\":\"2100-03-01T00:00:00Z\",\"versionTemplate\":{\"algorithm\":\"GOOGLE_SYMMETRIC_"
        "ENCRYPTION\"}}";
    bulla_gcpkms_key key;
    assert_ok(bulla_gcpkms_key_read(&call, bulla_view_text(body), &key));
    assert_true(key.is_symmetric && key.primary.number == 29);
    assert_int_equal(key.primary.state, BULLA_GCPKMS_DESTROY_SCHEDULED);
    assert_int_equal(key.primary.destroy_s, 1795305600);
    assert_int_equal(key.rotation_period_s, 7776000);
    assert_int_equal(key.created_s, 951868800);
    assert_int_equal(key.next_rotation_s, 4107542400);
}

static bulla_status count_key(void *arg, bulla_call *ignored, const bulla_gcpkms_key *key)
{
    (void)ignored;
    size_t *num = arg;
    assert_int_equal(key->name[strlen(key->name) - 1], '0' + (int)*num);
    return ++*num == 3 ? BULLA_EINVAL : BULLA_OK;
}

static void a_page_of_keys_is_walked_and_can_be_left(void **state)
{
    (void)state;
    char page[BULLA_GCPKMS_MAX_PAGE] = "old";
    size_t num = 0;
    static const char two[] =
        "{\"cryptoKeys\":[{\"name\":\"" KEY "0\"},{\"name\":\"" KEY "1\"}],\"nextPageToken\":\"n/+=\"}";
    static const char three[] = "{\"cryptoKeys\":[{\"name\":\"" KEY "2\"},{\"name\":\"x\"}]}";
    assert_ok(bulla_gcpkms_list_read(&call, bulla_view_text(two), count_key, &num, page));
    assert_string_equal(page, "n/+=");
    assert_status(bulla_gcpkms_list_read(&call, bulla_view_text(three), count_key, &num, page), BULLA_EINVAL);
    assert_ok(bulla_gcpkms_list_read(&call, bulla_view_text("{}"), count_key, &num, page));
    assert_true(page[0] == '\0' && num == 3);
}

static void a_refusal_keeps_its_status_and_one_line_of_words(void **state)
{
    (void)state;
    bulla_gcpkms_error error;
    static const char body[] = "{\"error\":{\"code\":400,\"message\":\"Decryption failed: the ciphertext is invalid.\","
                               "\"status\":\"INVALID_ARGUMENT\",\"details\":[{\"@type\":\"x\"}]}}";
    bulla_gcpkms_error_read(bulla_view_text(body), &error);
    assert_string_equal(error.status, "INVALID_ARGUMENT");
    assert_string_equal(error.text, "Decryption failed: the ciphertext is invalid");
    bulla_gcpkms_error_read(bulla_view_text("{\"error\":\"emulator\"}"), &error);
    assert_true(error.status[0] == '\0' && error.text[0] == '\0');
}

/* A field of protobuf after `at`: number and wire type in one byte, the length (one or two bytes), the bytes. */
static bulla_view field_after(bulla_view bytes, size_t *at, uint8_t tag)
{
    while (*at + 2 < bytes.len && bytes.data[*at] != tag)
        ++*at;
    size_t len = bytes.data[*at + 1], from = *at + 2;
    if (len >= 0x80) len = (len & 0x7F) | (size_t)bytes.data[from++] << 7;
    assert_true(from + len <= bytes.len);
    *at = from + len;
    return bulla_view_of(bytes.data + from, len);
}

static void the_checksum_of_a_recorded_ciphertext_is_ours(void **state)
{
    (void)state;
    const char *folder = getenv("BULLA_VECTORS");
    static uint8_t file[4096];
    char path[512];
    if (folder == NULL) {
        print_message("skipped: BULLA_VECTORS is not set\n");
        skip();
    }
    (void)snprintf(path, sizeof path,
                   "%s/cloud-kms-recordings/secrets/gcpkms/testdata/TestAdditionalAuthenticatedData.replay", folder);
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    bulla_view all = bulla_view_of(file, fread(file, 1, sizeof file, stream));
    (void)fclose(stream);
    /* EncryptResponse: name = 1, ciphertext = 2, ciphertext_crc32c = 4 {value = 1 (varint)}. */
    const uint8_t *answer = memmem(all.data, all.len, "EncryptResponse", 15);
    assert_non_null(answer);
    size_t at = (size_t)(answer - all.data) + 15;
    bulla_view message = field_after(all, &at, 0x12), name, ciphertext, sum;
    size_t inside = 0;
    name = field_after(message, &inside, 0x0A);
    ciphertext = field_after(message, &inside, 0x12);
    sum = field_after(message, &inside, 0x22);
    bulla_gcpkms_name parsed;
    uint64_t value = 0;
    for (size_t i = sum.len; i > 1; i--)
        value = value << 7 | (sum.data[i - 1] & 0x7F);
    assert_true(bulla_gcpkms_name_parse(name, &parsed) && parsed.version == 29);
    assert_int_equal(value, bulla_crc32c(ciphertext));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_taken_apart),
        cmocka_unit_test(what_is_no_name_is_refused),
        cmocka_unit_test(requests_carry_their_checksums),
        cmocka_unit_test(a_context_that_is_too_long_is_refused_here),
        cmocka_unit_test(checksums_of_answers_are_told_apart),
        cmocka_unit_test(an_answer_tells_whether_the_additional_data_arrived),
        cmocka_unit_test(decrypted_bytes_are_compared_with_their_checksum),
        cmocka_unit_test(answers_that_nobody_promised_are_refused),
        cmocka_unit_test(a_key_tells_its_primary_version_and_its_rotation),
        cmocka_unit_test(a_page_of_keys_is_walked_and_can_be_left),
        cmocka_unit_test(a_refusal_keeps_its_status_and_one_line_of_words),
        cmocka_unit_test(the_checksum_of_a_recorded_ciphertext_is_ours),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
