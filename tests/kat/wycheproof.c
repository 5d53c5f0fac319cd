/* SPDX-License-Identifier: Apache-2.0 */
/* wycheproof FOLDER: runs every vector that crypto/ has something for. BULLA_WYCHEPROOF names another folder. */
#include "wycheproof.h"

#include "crypto/aead.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct vector_file {
    const char *name;
    wycheproof_case *run;
    const char *engine; /* AEAD engine to run it in; NULL: has nothing to do with it */
} vector_file;

static const vector_file files[] = {
    {"aes_gcm_test.json", wycheproof_aes_gcm, "openssl"},
    {"aes_gcm_test.json", wycheproof_aes_gcm, "ipsec-mb"},
    {"aes_kwp_test.json", wycheproof_aes_kwp, NULL},
    {"hkdf_sha1_test.json", wycheproof_hkdf, NULL},
    {"hkdf_sha256_test.json", wycheproof_hkdf, NULL},
    {"hkdf_sha384_test.json", wycheproof_hkdf, NULL},
    {"hkdf_sha512_test.json", wycheproof_hkdf, NULL},
    {"hmac_sha1_test.json", wycheproof_hmac, NULL},
    {"hmac_sha256_test.json", wycheproof_hmac, NULL},
    {"hmac_sha384_test.json", wycheproof_hmac, NULL},
    {"hmac_sha512_test.json", wycheproof_hmac, NULL},
    {"rsa_oaep_2048_sha1_mgf1sha1_test.json", wycheproof_rsa_oaep, NULL},
    {"rsa_oaep_2048_sha256_mgf1sha256_test.json", wycheproof_rsa_oaep, NULL},
    {"rsa_oaep_2048_sha384_mgf1sha384_test.json", wycheproof_rsa_oaep, NULL},
    {"rsa_oaep_2048_sha512_mgf1sha512_test.json", wycheproof_rsa_oaep, NULL},
    {"rsa_oaep_3072_sha256_mgf1sha256_test.json", wycheproof_rsa_oaep, NULL},
    {"rsa_oaep_3072_sha512_mgf1sha512_test.json", wycheproof_rsa_oaep, NULL},
    {"rsa_oaep_4096_sha256_mgf1sha256_test.json", wycheproof_rsa_oaep, NULL},
    {"rsa_oaep_4096_sha512_mgf1sha512_test.json", wycheproof_rsa_oaep, NULL},
    {"rsa_oaep_misc_test.json", wycheproof_rsa_oaep, NULL},
    {"rsa_pkcs1_2048_test.json", wycheproof_rsa_pkcs1, NULL},
    {"rsa_pkcs1_3072_test.json", wycheproof_rsa_pkcs1, NULL},
    {"rsa_pkcs1_4096_test.json", wycheproof_rsa_pkcs1, NULL},
    {"ecdsa_secp256r1_sha256_test.json", wycheproof_ecdsa, NULL},
    {"ecdsa_secp384r1_sha384_test.json", wycheproof_ecdsa, NULL},
};

const char *wycheproof_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    if (text != NULL) return text;
    (void)fprintf(stderr, "a vector has no \"%s\"\n", name);
    exit(1);
}

kat_bytes wycheproof_bytes(const json_t *object, const char *name)
{
    return kat_hex(wycheproof_text(object, name));
}

size_t wycheproof_number(const json_t *object, const char *name)
{
    const json_t *number = json_object_get(object, name);
    if (json_is_integer(number)) return (size_t)json_integer_value(number);
    (void)fprintf(stderr, "a vector has no number \"%s\"\n", name);
    exit(1);
}

bulla_hash wycheproof_hash(const char *text)
{
    static const struct {
        const char *end;
        bulla_hash hash;
    } known[] = {{"1", BULLA_SHA1}, {"256", BULLA_SHA256}, {"384", BULLA_SHA384}, {"512", BULLA_SHA512}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t len = strlen(known[i].end), text_len = strlen(text);
        if (text_len >= len && strcmp(text + text_len - len, known[i].end) == 0) return known[i].hash;
    }
    (void)fprintf(stderr, "no hash for \"%s\"\n", text);
    exit(1);
}

kat_verdict wycheproof_judge(const json_t *test, bool has_succeeded, bool is_right)
{
    const char *result = wycheproof_text(test, "result");
    bool is_fine = strcmp(result, "valid") == 0     ? has_succeeded && is_right
                   : strcmp(result, "invalid") == 0 ? !has_succeeded
                                                    : !has_succeeded || is_right;
    if (is_fine) return KAT_PASS;
    (void)printf("  test %zu (%s, %s): %s\n", wycheproof_number(test, "tcId"), wycheproof_text(test, "comment"), result,
                 has_succeeded ? "succeeded" : "failed");
    return KAT_FAIL;
}

static bool run_file(const char *folder, const vector_file *file)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/%s", folder, file->name);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    kat_counts counts = {0};
    size_t i, j;
    json_t *group, *test;
    json_array_foreach(json_object_get(root, "testGroups"), i, group)
        json_array_foreach(json_object_get(group, "tests"), j, test)
            kat_count(&counts, file->run(wycheproof_text(root, "algorithm"), group, test));
    char what[128];
    (void)snprintf(what, sizeof what, "%s%s%s", file->name, file->engine == NULL ? "" : ", ",
                   file->engine == NULL ? "" : file->engine);
    bool is_right = kat_report(what, &counts);
    json_decref(root);
    return is_right;
}

int main(int argc, char **argv)
{
    const char *folder = getenv("BULLA_WYCHEPROOF");
    if (folder == NULL && argc == 2) folder = argv[1];
    if (folder == NULL || access(folder, R_OK) != 0)
        return kat_absent("no vectors: apt-get install golang-go, run tools/fetch-wycheproof and set BULLA_WYCHEPROOF "
                          "to the folder it prints");
    bool is_right = true;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        bulla_call call;
        bulla_call_init(&call, NULL);
        if (files[i].engine != NULL && bulla_aead_engine_set(&call, files[i].engine) != BULLA_OK)
            (void)printf("%s, %s: left out: %s\n", files[i].name, files[i].engine, call.why);
        else
            is_right &= run_file(folder, &files[i]);
    }
    return is_right ? 0 : 1;
}
