/* SPDX-License-Identifier: Apache-2.0 */
/* Encrypts and decrypts one message with what was installed: headers, library and everything it is built on. */
#include <bulla/bulla.h>

#include <stdio.h>
#include <string.h>

static bulla_status round_trip(bulla_call *call, bulla_provider *key, bulla_view text)
{
    bulla_encrypt_options to = {.size = sizeof to, .recipients = &key, .num_recipients = 1};
    bulla_decrypt_options from = {.size = sizeof from, .recipients = &key, .num_recipients = 1};
    bulla_bytes message = {0}, plaintext = {0};
    bulla_status status = bulla_encrypt(call, &to, text, &message);
    if (status == BULLA_OK) status = bulla_decrypt(call, &from, (bulla_view){message.data, message.len}, &plaintext);
    if (status == BULLA_OK && (plaintext.len != text.len || memcmp(plaintext.data, text.data, text.len) != 0))
        status = bulla_fail(call, BULLA_EINTERNAL, "what came back is not what went in");
    bulla_bytes_done(&plaintext);
    bulla_bytes_done(&message);
    return status;
}

int main(int argc, char **argv)
{
    static const char text[] = "sealed clay";
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla_options options = {.size = sizeof options};
    bulla *house = NULL;
    bulla_provider *key = NULL;
    bulla_status status = argc == 2 ? bulla_open(&call, &options, &house) : BULLA_EINVAL;
    if (status == BULLA_OK) status = bulla_provider_open(house, &call, argv[1], &key);
    if (status == BULLA_OK) status = round_trip(&call, key, (bulla_view){(const uint8_t *)text, sizeof text});
    printf("bulla %s: %s %s\n", bulla_version(), bulla_status_name(status), call.why);
    bulla_provider_unref(key);
    bulla_close(house);
    return (int)bulla_status_class(status);
}
