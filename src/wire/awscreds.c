/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/awscreds.h"

#include "base/json.h"
#include "wire/answer.h"

#define MAX_DATE 40u

void bulla_awscreds_done(bulla_awscreds *creds)
{
    bulla_secret_unref(creds->secret_key);
    bulla_secret_unref(creds->token);
    *creds = (bulla_awscreds){.expires_s = 0};
}

/* Printable and without blanks: it stands in a header. */
static bool is_graphic(bulla_view text, size_t max)
{
    if (text.len == 0 || text.len > max) return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= ' ' || text.data[i] >= 0x7F) return false;
    return true;
}

bulla_status bulla_awscreds_init(bulla_call *call, const char *what, const bulla_view texts[3],
                                 bulla_awscreds *out_creds)
{
    BULLA_AWSCREDS(creds);
    if (!is_graphic(texts[0], sizeof creds.access_key_id - 1))
        return bulla_fail(call, BULLA_EFORMAT, "%s: no access key id, or none that can be one", what);
    if (!is_graphic(texts[1], BULLA_AWSCREDS_MAX_SECRET))
        return bulla_fail(call, BULLA_EFORMAT, "%s: no secret access key, or none that can be one", what);
    if (texts[2].len != 0 && !is_graphic(texts[2], BULLA_AWSCREDS_MAX_TOKEN))
        return bulla_fail(call, BULLA_EFORMAT, "%s: a session token that cannot be one", what);
    memcpy(creds.access_key_id, texts[0].data, texts[0].len);
    BULLA_TRY(bulla_secret_copy(call, texts[1], &creds.secret_key));
    if (texts[2].len != 0) BULLA_TRY(bulla_secret_copy(call, texts[2], &creds.token));
    *out_creds = creds;
    creds.secret_key = creds.token = NULL;
    return BULLA_OK;
}

/* --- JSON --- */

static bulla_view member(const bulla_json *json, const char *name, char *out, size_t cap)
{
    out[0] = '\0';
    (void)bulla_json_text(bulla_json_get(bulla_json_root(json), name), out, cap);
    return bulla_view_text(out);
}

/* A printable word for an error's text. */
static const char *word(bulla_view text)
{
    return is_graphic(text, 64) ? (const char *)text.data : "an error";
}

bulla_status bulla_awscreds_decode(bulla_call *call, bulla_view body, const char *what, bulla_awscreds *out_creds)
{
    BULLA_WIPED(char, secret, BULLA_AWSCREDS_MAX_SECRET + 2);
    BULLA_WIPED(char, token, BULLA_AWSCREDS_MAX_TOKEN + 2);
    char id[BULLA_AWSCREDS_MAX_ID], code[65], date[MAX_DATE + 1];
    BULLA_AUTO(bulla_json) *json = NULL;
    BULLA_AWSCREDS(creds);
    BULLA_TRY(bulla_json_parse(call, body, what, &json));
    bulla_view said = member(json, "Code", code, sizeof code);
    bool is_no = bulla_view_is(said, "AssumeRoleUnauthorizedAccess"); /* the role is not for instances */
    if (said.len != 0 && !bulla_view_is(said, "Success"))
        return bulla_fail(call, is_no ? BULLA_EAUTHN : BULLA_EUNAVAIL, "%s says %s instead of giving credentials", what,
                          word(said));
    const bulla_view texts[3] = {member(json, "AccessKeyId", id, sizeof id),
                                 member(json, "SecretAccessKey", secret, sizeof secret),
                                 member(json, "Token", token, sizeof token)};
    BULLA_TRY(bulla_awscreds_init(call, what, texts, &creds));
    bulla_view expires = member(json, "Expiration", date, sizeof date);
    if (expires.len != 0 && !bulla_answer_date_parse(date, &creds.expires_s))
        return bulla_fail(call, BULLA_EFORMAT, "%s: an expiration that is no date", what);
    *out_creds = creds;
    creds.secret_key = creds.token = NULL;
    return BULLA_OK;
}
