/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small records, such as the rows of a table: one data key seals them all. Its wrapped form is kept beside them, and
 * the cache opens it again without asking the key store. Each row's number is bound to it, so that a row put in
 * another's place does not open.
 *
 *   records ADDRESS
 */
#include <bulla/bulla.h>

#include <stdio.h>

#define TEXT_LEN 12u
struct row {
    uint8_t bytes[TEXT_LEN + BULLA_RECORD_OVERHEAD];
};

static bulla_status row_context(bulla_call *call, uint8_t number, bulla_context **out_context)
{
    bulla_pair pair = {{(const uint8_t *)"row", 3}, {&number, 1}};
    return bulla_context_new(call, &pair, 1, out_context);
}

static bulla_status row_write(bulla_call *call, bulla_datakey *datakey, uint8_t number, struct row *out_row)
{
    char text[TEXT_LEN + 1];
    size_t len = 0;
    bulla_context *context = NULL;
    snprintf(text, sizeof text, "salary %05u", 4000u + number);
    bulla_view plaintext = {(const uint8_t *)text, TEXT_LEN};
    bulla_status status = row_context(call, number, &context);
    if (status == BULLA_OK)
        status = bulla_record_encrypt(datakey, call, context, plaintext, out_row->bytes, sizeof out_row->bytes, &len);
    bulla_context_unref(context);
    return status;
}

static bulla_status row_print(bulla_call *call, bulla_datakey *datakey, uint8_t number, const struct row *in)
{
    uint8_t text[TEXT_LEN];
    size_t len = 0;
    bulla_context *context = NULL;
    bulla_status status = row_context(call, number, &context);
    if (status == BULLA_OK)
        status = bulla_record_decrypt(datakey, call, context, (bulla_view){in->bytes, sizeof in->bytes}, text,
                                      sizeof text, &len);
    printf("row %u: %.*s\n", number, (int)len, status == BULLA_OK ? (const char *)text : "");
    bulla_wipe(text, sizeof text);
    bulla_context_unref(context);
    return status;
}

static bulla_status table(bulla_call *call, bulla_provider *key)
{
    struct row rows[2] = {0};
    bulla_datakey *writer = NULL, *reader = NULL;
    bulla_status status = bulla_datakey_create(call, key, NULL, NULL, &writer);
    for (uint8_t i = 0; status == BULLA_OK && i < 2; i++)
        status = row_write(call, writer, i, &rows[i]);
    if (status == BULLA_OK) status = bulla_datakey_open(call, key, NULL, bulla_datakey_wrapped(writer), NULL, &reader);
    for (uint8_t i = 0; status == BULLA_OK && i < 2; i++)
        status = row_print(call, reader, i, &rows[i]);
    if (status == BULLA_OK)
        printf("row 1 in the place of row 0: %s\n", bulla_status_text(row_print(call, reader, 0, &rows[1])));
    bulla_datakey_unref(reader);
    bulla_datakey_unref(writer);
    return status;
}

int main(int argc, char **argv)
{
    const bulla_cache_options cache = {.size = sizeof cache, .ttl_ms = 60 * 1000};
    const bulla_options options = {.size = sizeof options, .cache = &cache};
    bulla *house = NULL;
    bulla_provider *key = NULL;
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla_status status = bulla_open(&call, &options, &house);
    if (status == BULLA_OK) status = bulla_provider_open(house, &call, argc == 2 ? argv[1] : NULL, &key);
    if (status == BULLA_OK) status = table(&call, key);
    if (status != BULLA_OK) fprintf(stderr, "records: %s: %s\n", bulla_status_text(status), call.why);
    bulla_provider_unref(key);
    bulla_close(house);
    return (int)bulla_status_class(status);
}
