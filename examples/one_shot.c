/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shortest way: one call encrypts a buffer, one call decrypts it. The key lives in an embedded keystore, which is
 * made on the first run.
 *
 *   one_shot FOLDER ROOT     FOLDER: the keystore; ROOT: the address of what protects it, such as file:root.key
 */
#include <bulla/bulla.h>

#include <stdio.h>
#include <string.h>

/* A keystore with a key named "notes", unless they are there already. */
static bulla_status prepare(bulla_call *call, bulla *house, const char *root)
{
    bulla_status status = bulla_keystore_create(house, call, root);
    if (status == BULLA_OK || status == BULLA_EEXISTS) status = bulla_key_create(house, call, "notes", NULL, NULL);
    return status == BULLA_EEXISTS ? BULLA_OK : status;
}

static bulla_status round_trip(bulla_call *call, bulla_provider *key, bulla_context *context, const char *text)
{
    bulla_view plaintext = {(const uint8_t *)text, strlen(text)};
    bulla_bytes message = {0}, opened = {0};
    bulla_encrypt_options to = {.size = sizeof to, .recipients = &key, .num_recipients = 1, .context = context};
    bulla_status status = bulla_encrypt(call, &to, plaintext, &message);

    /* The message can be kept anywhere: it names its key, and nobody can change it unnoticed. */
    bulla_decrypt_options from = {.size = sizeof from, .recipients = &key, .num_recipients = 1};
    if (status == BULLA_OK) {
        printf("%zu bytes of text, %zu bytes of message\n", plaintext.len, message.len);
        status = bulla_decrypt(call, &from, (bulla_view){message.data, message.len}, &opened);
    }
    if (status == BULLA_OK) printf("decrypted: %.*s\n", (int)opened.len, (const char *)opened.data);
    bulla_bytes_done(&opened);
    bulla_bytes_done(&message);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: one_shot FOLDER ROOT\n");
        return BULLA_CLASS_CALLER;
    }
    static const bulla_pair pair = {{(const uint8_t *)"purpose", 7}, {(const uint8_t *)"example", 7}};
    bulla *house = NULL;
    bulla_context *context = NULL;
    bulla_provider *key = NULL;
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla_options options = {.size = sizeof options, .store = argv[1]};

    bulla_status status = bulla_open(&call, &options, &house);
    if (status == BULLA_OK) status = prepare(&call, house, argv[2]);
    if (status == BULLA_OK) status = bulla_provider_open(house, &call, "local:notes", &key);
    if (status == BULLA_OK) status = bulla_context_new(&call, &pair, 1, &context);
    if (status == BULLA_OK) status = round_trip(&call, key, context, "the tokens are inside");
    if (status != BULLA_OK) fprintf(stderr, "one_shot: %s: %s\n", bulla_status_text(status), call.why);

    bulla_context_unref(context);
    bulla_provider_unref(key);
    bulla_close(house);
    return (int)bulla_status_class(status);
}
