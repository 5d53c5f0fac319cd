/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/jwt.h"

#include "base/json.h"

#define MAX_HEADER 512u
#define MAX_CLAIMS 4096u
#define MAX_SIGNATURE 1024u /* RSA-8192 */
#define BASE64_LEN(len) (4 * (((len) + 2) / 3) + 1)
#define MAX_TEXT (BASE64_LEN(MAX_HEADER) + BASE64_LEN(MAX_CLAIMS) + BASE64_LEN(MAX_SIGNATURE))

static void put_text(bulla_json_writer *json, const char *name, const char *text)
{
    if (text == NULL) return;
    bulla_json_put_name(json, name);
    bulla_json_put_text(json, bulla_view_text(text));
}

static void put_int(bulla_json_writer *json, const char *name, int64_t value)
{
    bulla_json_put_name(json, name);
    bulla_json_put_int(json, value);
}

static void header_write(const bulla_jwt *jwt, bulla_writer *out)
{
    bulla_json_writer json = bulla_json_writer_of(out);
    bulla_json_open(&json, '{');
    put_text(&json, "alg", "RS256");
    put_text(&json, "typ", "JWT");
    put_text(&json, "kid", jwt->key_id);
    if (jwt->thumbprint.len != 0) {
        bulla_json_put_name(&json, "x5t");
        bulla_json_put_base64(&json, BULLA_JSON_BASE64URL, jwt->thumbprint);
    }
    bulla_json_close(&json, '}');
}

static void claims_write(const bulla_jwt *jwt, bulla_writer *out)
{
    bulla_json_writer json = bulla_json_writer_of(out);
    bulla_json_open(&json, '{');
    put_text(&json, "iss", jwt->issuer);
    put_text(&json, "sub", jwt->subject);
    put_text(&json, "aud", jwt->audience);
    put_text(&json, "scope", jwt->scope);
    put_text(&json, "jti", jwt->id);
    put_int(&json, "iat", jwt->issued_s);
    put_int(&json, "nbf", jwt->issued_s);
    put_int(&json, "exp", jwt->expires_s);
    bulla_json_close(&json, '}');
}

/* RFC 7515, 2: base64url without padding. */
static void put_base64url(bulla_writer *out, bulla_view bytes)
{
    char text[BASE64_LEN(MAX_CLAIMS)];
    bulla_base64_encode(bytes, text);
    for (char *c = text; *c != '\0' && *c != '='; c++) {
        char digit = *c == '+' ? '-' : *c == '/' ? '_' : *c;
        bulla_write_u8(out, (uint8_t)digit);
    }
}

bulla_status bulla_jwt_sign(bulla_call *call, const bulla_jwt *jwt, const bulla_rsa *key, bulla_secret **out_text)
{
    uint8_t header[MAX_HEADER], claims[MAX_CLAIMS], signature[MAX_SIGNATURE];
    BULLA_WIPED(uint8_t, text, MAX_TEXT);
    size_t len = 0;
    bulla_writer to_header = bulla_writer_of(header, sizeof header), to_claims = bulla_writer_of(claims, sizeof claims);
    bulla_writer out = bulla_writer_of(text, sizeof text);
    header_write(jwt, &to_header);
    claims_write(jwt, &to_claims);
    if (to_header.failed || to_claims.failed)
        return bulla_fail(call, BULLA_ECONFIG, "the credentials are too long to log in with, or not UTF-8");
    put_base64url(&out, bulla_view_of(header, to_header.len));
    bulla_write_u8(&out, '.');
    put_base64url(&out, bulla_view_of(claims, to_claims.len));
    BULLA_TRY(bulla_rsa_sign(call, key, bulla_view_of(text, out.len), signature, sizeof signature, &len));
    bulla_write_u8(&out, '.');
    put_base64url(&out, bulla_view_of(signature, len));
    return bulla_secret_copy(call, bulla_view_of(text, out.len), out_text);
}
