/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One message, two keys: the data key is wrapped once for each recipient, and each opens the message alone. A backup
 * that the operator's key and a key in the safe both open is made this way.
 *
 *   two_recipients ADDRESS ADDRESS
 */
#include <bulla/bulla.h>

#include <stdio.h>
#include <string.h>

static bulla_status open_with(bulla_call *call, bulla_provider *key, const bulla_bytes *message)
{
    bulla_bytes plaintext = {0};
    bulla_decrypt_options from = {.size = sizeof from, .recipients = &key, .num_recipients = 1};
    bulla_status status = bulla_decrypt(call, &from, (bulla_view){message->data, message->len}, &plaintext);
    if (status == BULLA_OK)
        printf("opened with a key of %s: %.*s\n", bulla_provider_name(key), (int)plaintext.len,
               (const char *)plaintext.data);
    bulla_bytes_done(&plaintext);
    return status;
}

static bulla_status share(bulla_call *call, bulla_provider *const keys[2])
{
    static const char text[] = "for both of you";
    bulla_bytes message = {0};
    bulla_encrypt_options to = {.size = sizeof to, .recipients = keys, .num_recipients = 2};
    bulla_status status = bulla_encrypt(call, &to, (bulla_view){(const uint8_t *)text, strlen(text)}, &message);
    for (int i = 0; status == BULLA_OK && i < 2; i++)
        status = open_with(call, keys[i], &message);
    bulla_bytes_done(&message);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: two_recipients ADDRESS ADDRESS\n");
        return BULLA_CLASS_CALLER;
    }
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla *house = NULL;
    bulla_provider *keys[2] = {NULL, NULL};
    bulla_status status = bulla_open(&call, NULL, &house);
    for (int i = 0; status == BULLA_OK && i < 2; i++)
        status = bulla_provider_open(house, &call, argv[1 + i], &keys[i]);
    if (status == BULLA_OK) status = share(&call, keys);
    if (status != BULLA_OK) fprintf(stderr, "two_recipients: %s: %s\n", bulla_status_text(status), call.why);
    for (int i = 0; i < 2; i++)
        bulla_provider_unref(keys[i]);
    bulla_close(house);
    return (int)bulla_status_class(status);
}
