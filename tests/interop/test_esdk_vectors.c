/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The decrypt vectors of the AWS Encryption SDK (awses-decrypt, version 4): every message under a raw AES or RSA key
 * must open to its plaintext, byte for byte. They lie outside the repository, in $BULLA_VECTORS/esdk/v4-Net-4.0.1. The
 * messages under AWS KMS keys need AWS and are left out.
 */
#include "base/bytes.h"
#include "bulla/envelope.h"
#include "provider/provider.h"
#include "provider/registry.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUM_OFFLINE 99u
#define SKIP 77
#define MAX_KEYS 4u
#define MAX_PAIRS 8u

typedef struct vector_run {
    char dir[512], keys_dir[64];
    json_t *manifest, *keys;
    bulla_registry registry;
    bulla_call call;
    unsigned num_opened, num_left_out, num_wrong;
} vector_run;

/* One entry of the manifest, ready to be tried. */
typedef struct vector_trial {
    bulla_provider *keys[MAX_KEYS];
    size_t num_keys;
    bulla_pair require[MAX_PAIRS];
    size_t num_require;
    bulla_bytes message, plaintext;
} vector_trial;

static void trial_done(vector_trial *trial)
{
    for (size_t i = 0; i < trial->num_keys; i++)
        bulla_provider_unref(trial->keys[i]);
    free(trial->message.data);
    free(trial->plaintext.data);
}

static void *fatal(const char *what, const char *which)
{
    (void)fprintf(stderr, "%s: %s\n", what, which);
    exit(1);
}

/* A file of the vectors by its URI, such as file://plaintexts/small. */
static bulla_bytes slurp(const vector_run *run, const char *uri)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", run->dir, uri + strlen("file://"));
    FILE *file = fopen(path, "rb");
    struct stat info;
    if (file == NULL || fstat(fileno(file), &info) != 0) fatal("cannot open", path);
    bulla_bytes bytes = {malloc((size_t)info.st_size + 1), (size_t)info.st_size, NULL};
    if (fread(bytes.data, 1, bytes.len, file) != bytes.len) fatal("cannot read", path);
    (void)fclose(file);
    return bytes;
}

static json_t *load(const char *dir, const char *name)
{
    char path[1024];
    json_error_t error;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    json_t *json = json_load_file(path, 0, &error);
    return json != NULL ? json : fatal(path, error.text);
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : fatal("the manifest lacks", key);
}

/* Writes the keys' material where file: and rsa: addresses find it. */
static void keys_write(vector_run *run)
{
    const char *name = NULL;
    json_t *key = NULL;
    (void)snprintf(run->keys_dir, sizeof run->keys_dir, "/tmp/bulla-vectors-XXXXXX");
    if (mkdtemp(run->keys_dir) == NULL) fatal("cannot create", run->keys_dir);
    json_object_foreach(json_object_get(run->keys, "keys"), name, key)
    {
        char path[256];
        const char *material = json_string_value(json_object_get(key, "material"));
        if (material == NULL) continue;
        (void)snprintf(path, sizeof path, "%s/%s", run->keys_dir, name);
        (void)umask(077);
        FILE *file = fopen(path, "w");
        if (file == NULL || fputs(material, file) < 0 || fclose(file) != 0) fatal("cannot write", path);
    }
}

static void keys_remove(const vector_run *run)
{
    const char *name = NULL;
    json_t *key = NULL;
    json_object_foreach(json_object_get(run->keys, "keys"), name, key)
    {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/%s", run->keys_dir, name);
        (void)unlink(path);
    }
    (void)rmdir(run->keys_dir);
}

static void key_open(vector_run *run, const json_t *master, vector_trial *trial)
{
    char address[512];
    bool is_rsa = strcmp(text_at(master, "encryption-algorithm"), "rsa") == 0;
    int len = snprintf(address, sizeof address, "%s:%s/%s?namespace=%s&name=%s", is_rsa ? "rsa" : "file", run->keys_dir,
                       text_at(master, "key"), text_at(master, "provider-id"), text_at(master, "key"));
    if (is_rsa)
        (void)snprintf(address + len, sizeof address - (size_t)len, "&padding=oaep-%s",
                       text_at(master, "padding-hash"));
    if (bulla_registry_open(&run->registry, &run->call, address, &trial->keys[trial->num_keys]) != BULLA_OK)
        fatal(address, run->call.why);
    trial->num_keys++;
}

static void trial_make(vector_run *run, json_t *entry, vector_trial *trial)
{
    const char *key = NULL;
    json_t *value = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(entry, "master-keys"), i, value) key_open(run, value, trial);
    json_object_foreach(json_object_get(entry, "encryption-context"), key, value)
    {
        if (trial->num_require == MAX_PAIRS) fatal("too many pairs", key);
        trial->require[trial->num_require++] =
            (bulla_pair){bulla_view_text(key), bulla_view_text(json_string_value(value))};
    }
    json_t *output = json_object_get(json_object_get(entry, "result"), "output");
    trial->message = slurp(run, text_at(entry, "ciphertext"));
    trial->plaintext = slurp(run, text_at(output, "plaintext"));
}

static bool opens(vector_run *run, const vector_trial *trial)
{
    const bulla_decrypt_options options = {.size = sizeof options,
                                           .recipients = trial->keys,
                                           .num_recipients = trial->num_keys,
                                           .require = trial->require,
                                           .num_require = trial->num_require,
                                           .legacy = true};
    bulla_bytes out = {0};
    bulla_view message = bulla_view_of(trial->message.data, trial->message.len);
    if (bulla_decrypt(&run->call, &options, message, &out) != BULLA_OK) return false;
    bool same = out.len == trial->plaintext.len && memcmp(out.data, trial->plaintext.data, out.len) == 0;
    if (!same) (void)bulla_fail(&run->call, BULLA_EINTERNAL, "the plaintext is another");
    bulla_bytes_done(&out);
    return same;
}

/* What must not open: any message when a pair that is not bound to it is required, an old one without asking for it. */
static bool refuses(vector_run *run, const vector_trial *trial)
{
    const bulla_pair other = {bulla_view_text("not bound"), bulla_view_text("to it")};
    bulla_decrypt_options options = {.size = sizeof options,
                                     .recipients = trial->keys,
                                     .num_recipients = trial->num_keys,
                                     .require = &other,
                                     .num_require = 1,
                                     .legacy = true};
    bulla_bytes out = {0};
    bulla_view message = bulla_view_of(trial->message.data, trial->message.len);
    if (bulla_decrypt(&run->call, &options, message, &out) != BULLA_EINTEGRITY) return false;
    if (message.data[0] == 2) return true;
    options.legacy = false;
    return bulla_decrypt(&run->call, &options, message, &out) == BULLA_EUNSUPPORTED;
}

static void entry_try(vector_run *run, const char *name, json_t *entry)
{
    vector_trial trial = {.num_keys = 0};
    const json_t *first = json_array_get(json_object_get(entry, "master-keys"), 0);
    if (strcmp(text_at(first, "type"), "raw") != 0) {
        run->num_left_out++;
        return;
    }
    trial_make(run, entry, &trial);
    if (!opens(run, &trial)) {
        (void)printf("%s: %s %s\n", name, bulla_status_name(run->call.status), run->call.why);
        run->num_wrong++;
    } else if (!refuses(run, &trial)) {
        (void)printf("%s: is not refused\n", name);
        run->num_wrong++;
    } else
        run->num_opened++;
    trial_done(&trial);
}

int main(void)
{
    static vector_run run;
    const char *root = getenv("BULLA_VECTORS"), *name = NULL;
    json_t *entry = NULL;
    if (root == NULL) {
        const char *require = getenv("BULLA_REQUIRE");
        bool required = require != NULL && strcmp(require, "1") == 0;
        (void)printf("skipped: BULLA_VECTORS is not set\n");
        return required ? 1 : SKIP;
    }
    bulla_call_init(&run.call, NULL);
    bulla_registry_init(&run.registry, NULL);
    (void)snprintf(run.dir, sizeof run.dir, "%s/esdk/v4-Net-4.0.1", root);
    run.manifest = load(run.dir, "manifest.json");
    run.keys = load(run.dir, "keys.json");
    keys_write(&run);
    json_object_foreach(json_object_get(run.manifest, "tests"), name, entry) entry_try(&run, name, entry);
    keys_remove(&run);
    json_decref(run.manifest);
    json_decref(run.keys);
    (void)printf("%u messages opened, %u wrong, %u under AWS keys left out\n", run.num_opened, run.num_wrong,
                 run.num_left_out);
    return run.num_opened == NUM_OFFLINE && run.num_wrong == 0 ? 0 : 1;
}
