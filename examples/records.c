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

#define TEXT_LEN 11u
#define ROW_LEN (TEXT_LEN + BULLA_RECORD_OVERHEAD)

static const bulla_pair numbers[2] = {{{(const uint8_t *)"row", 3}, {(const uint8_t *)"0", 1}},
                                      {{(const uint8_t *)"row", 3}, {(const uint8_t *)"1", 1}}};

static bulla_status row_write(bulla_call *call, bulla_datakey *datakey, unsigned number, uint8_t out_row[ROW_LEN])
{
    char text[TEXT_LEN + 1];
    size_t len = 0;
    bulla_context *context = NULL;
    snprintf(text, sizeof text, "salary %04u", 4000u + number);
    bulla_view plaintext = {(const uint8_t *)text, TEXT_LEN};
    bulla_status status = bulla_context_new(call, &numbers[number], 1, &context);
    if (status == BULLA_OK) status = bulla_record_encrypt(datakey, call, context, plaintext, out_row, ROW_LEN, &len);
    bulla_context_unref(context);
    return status;
}

static bulla_status row_print(bulla_call *call, bulla_datakey *datakey, unsigned number, const uint8_t row[ROW_LEN])
{
    uint8_t text[TEXT_LEN];
    size_t len = 0;
    bulla_context *context = NULL;
    bulla_status status = bulla_context_new(call, &numbers[number], 1, &context);
    if (status == BULLA_OK)
        status = bulla_record_decrypt(datakey, call, context, (bulla_view){row, ROW_LEN}, text, sizeof text, &len);
    printf("row %u: %.*s\n", number, (int)len, status == BULLA_OK ? (const char *)text : "");
    bulla_context_unref(context);
    return status;
}

static bulla_status table(bulla_call *call, bulla_provider *key)
{
    uint8_t rows[2][ROW_LEN];
    bulla_datakey *writer = NULL, *reader = NULL;
    bulla_status status = bulla_datakey_create(call, key, NULL, NULL, &writer);
    for (unsigned i = 0; status == BULLA_OK && i < 2; i++)
        status = row_write(call, writer, i, rows[i]);
    if (status == BULLA_OK) status = bulla_datakey_open(call, key, NULL, bulla_datakey_wrapped(writer), NULL, &reader);
    for (unsigned i = 0; status == BULLA_OK && i < 2; i++)
        status = row_print(call, reader, i, rows[i]);
    if (status == BULLA_OK)
        printf("row 1 in the place of row 0: %s\n", bulla_status_text(row_print(call, reader, 0, rows[1])));
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
