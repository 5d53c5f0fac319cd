/* SPDX-License-Identifier: Apache-2.0 */
/* A document is taken apart and everything that it says is asked for; a number written again is the same number. */
#include "base/json.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void ask(bulla_json_value value)
{
    char text[64], digits[32];
    uint8_t bytes[48];
    size_t num = 0;
    int64_t whole = 0, again = 1;
    (void)bulla_json_name(value, text, sizeof text);
    (void)bulla_json_text(value, text, sizeof text);
    (void)bulla_json_bytes(value, BULLA_JSON_BASE64, bytes, sizeof bytes, &num);
    (void)bulla_json_bytes(value, BULLA_JSON_BASE64URL, bytes, sizeof bytes, &num);
    (void)bulla_json_time_s(value, &whole);
    if (!bulla_json_int(value, &whole)) return;
    bulla_writer out = bulla_writer_of((uint8_t *)digits, sizeof digits);
    bulla_json_writer writer = bulla_json_writer_of(&out);
    bulla_json_put_int(&writer, whole);
    BULLA_AUTO(bulla_json) *json = NULL;
    if (bulla_json_parse(NULL, bulla_view_of(digits, out.len), "the number", &json) != BULLA_OK) abort();
    if (!bulla_json_int(bulla_json_root(json), &again) || again != whole) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    BULLA_AUTO(bulla_json) *json = NULL;
    if (bulla_json_parse(NULL, bulla_view_of(data, len), "the input", &json) != BULLA_OK) return 0;
    bulla_json_value value = bulla_json_root(json);
    (void)bulla_json_get(value, "data/ciphertext");
    for (size_t i = 0; i < 4096 && bulla_json_kind_of(value) != BULLA_JSON_NONE; i++) {
        ask(value);
        bulla_json_value inside = bulla_json_first(value);
        value = bulla_json_kind_of(inside) != BULLA_JSON_NONE ? inside : bulla_json_next(value);
    }
    return 0;
}
