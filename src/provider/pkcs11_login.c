/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging in to a token. The login is the token's, not the session's (PKCS #11 2.40, 6.7.4): the first session of an
 * era logs in, alone. Tokens count wrong PINs and lock themselves after a few: one that was refused is given once.
 */
#include "base/bytes.h"
#include "provider/keyfile.h"
#include "provider/pkcs11_token.h"

#define MAX_PIN 256u

/* At each login: a new PIN in the file is one to try. */
static bulla_status pin_file_read(bulla_call *call, const char *path, bulla_secret **out_pin)
{
    BULLA_AUTO(bulla_secret) *all = NULL;
    bulla_keyfile file;
    BULLA_TRY(bulla_keyfile_open(call, path, MAX_PIN, &file));
    bulla_status status = bulla_keyfile_private_check(call, &file);
    if (status == BULLA_OK) status = bulla_keyfile_read(call, &file, &all);
    bulla_keyfile_close(&file);
    BULLA_TRY(status);
    bulla_view text = bulla_secret_borrow(all);
    while (text.len != 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '\r'))
        text.len--;
    if (text.len == 0) return bulla_fail(call, BULLA_ECONFIG, "%.160s: empty, where a PIN should be", path);
    return bulla_secret_copy(call, text, out_pin);
}

static bulla_status pin_read(const bulla_pkcs11_token *token, bulla_call *call, bulla_secret **out_pin)
{
    BULLA_AUTO(bulla_secret) *pin = NULL;
    const bulla_kms_config *config = token->client->config;
    if (token->uri.pin_source[0] != '\0')
        BULLA_TRY(pin_file_read(call, token->uri.pin_source, &pin));
    else
        pin = bulla_secret_ref(config->pin);
    if (bulla_secret_borrow(pin).len == 0)
        return bulla_fail(call, BULLA_EAUTHN, "key store \"%s\": there is no PIN%s", config->name,
                          pin == NULL ? "; set pin, or pin-source in the address"
                                      : " in a forked process: open the key store after the fork, or use pin-source");
    *out_pin = BULLA_TAKE(pin);
    return BULLA_OK;
}

static bulla_status pin_fail(const bulla_pkcs11_token *token, bulla_call *call, CK_RV rv)
{
    char name[32];
    const char *what = rv == CKR_PIN_LOCKED                 ? "has locked its PIN; the security officer must unlock it"
                       : rv == CKR_PIN_EXPIRED              ? "wants a new PIN to be set first"
                       : rv == CKR_USER_PIN_NOT_INITIALIZED ? "has no user PIN yet"
                                                            : "refuses the PIN, which is not tried again: too many "
                                                              "wrong ones lock it. Give the right one";
    bulla_status status =
        bulla_fail(call, BULLA_EAUTHN, "key store \"%s\": token \"%.32s\" %s (%s)", bulla_pkcs11_store(token),
                   bulla_pkcs11_token_label(token), what, bulla_pkcs11_name(rv, name));
    if (call != NULL) call->native = (long)rv;
    return status;
}

/* A PIN that a token refused is not given to it again, by whatever address it was found, in this process and its
 * children (where the PIN itself cannot be compared any more: then none is). */
static bulla_status refusal_check(const bulla_pkcs11_lease *lease, bulla_call *call, const bulla_secret *pin)
{
    const bulla_pkcs11_token *token = lease->token->client->tokens;
    bulla_view given = bulla_secret_borrow(pin);
    CK_RV refusal = CKR_OK;
    bulla_pkcs11_lock();
    for (; token != NULL && refusal == CKR_OK; token = token->next) {
        bulla_view refused = bulla_secret_borrow(token->refused_pin);
        bool is_this = token->module == lease->token->module && strcmp(token->refused_serial, lease->serial) == 0;
        bool is_same =
            refused.len == 0 || (refused.len == given.len && bulla_equal_ct(refused.data, given.data, given.len));
        if (is_this && is_same) refusal = token->refusal;
    }
    bulla_pkcs11_unlock();
    return refusal == CKR_OK ? BULLA_OK : pin_fail(lease->token, call, refusal);
}

/* The last reference goes outside the lock: secrets have one of their own, which a fork may take first. */
static void refusal_keep(bulla_pkcs11_lease *lease, bulla_secret *pin, CK_RV rv)
{
    bulla_pkcs11_token *token = lease->token;
    bulla_pkcs11_lock();
    bulla_secret *before = token->refused_pin;
    token->refused_pin = rv == CKR_OK ? NULL : bulla_secret_ref(pin);
    token->refusal = rv;
    memcpy(token->refused_serial, lease->serial, sizeof token->refused_serial);
    bulla_pkcs11_unlock();
    bulla_secret_unref(before);
}

static bool is_logged_in(const bulla_pkcs11_lease *lease)
{
    CK_SESSION_INFO info;
    memset(&info, 0, sizeof info);
    return lease->functions->C_GetSessionInfo(lease->session, &info) == CKR_OK &&
           (info.state == CKS_RO_USER_FUNCTIONS || info.state == CKS_RW_USER_FUNCTIONS);
}

/* One more wrong PIN would lock the token: that is for a person to try. */
static bulla_status last_try_check(bulla_pkcs11_lease *lease, bulla_call *call, bool *out_needs_login)
{
    CK_TOKEN_INFO info;
    memset(&info, 0, sizeof info);
    CK_RV rv = lease->functions->C_GetTokenInfo(lease->slot, &info);
    if (rv != CKR_OK) return bulla_pkcs11_fail(lease, call, "be looked at", rv);
    *out_needs_login = (info.flags & CKF_LOGIN_REQUIRED) != 0;
    if ((info.flags & CKF_USER_PIN_LOCKED) != 0) return pin_fail(lease->token, call, CKR_PIN_LOCKED);
    if ((info.flags & CKF_USER_PIN_FINAL_TRY) == 0) return BULLA_OK;
    return bulla_fail(call, BULLA_EAUTHN,
                      "key store \"%s\": one more wrong PIN locks token \"%.32s\"; log in by hand once, with the right "
                      "one",
                      bulla_pkcs11_store(lease->token), bulla_pkcs11_token_label(lease->token));
}

static bulla_status pin_give(bulla_pkcs11_lease *lease, bulla_call *call, bulla_secret *pin)
{
    BULLA_WIPED(unsigned char, bytes, MAX_PIN);
    bulla_pkcs11_token *token = lease->token;
    bulla_view text = bulla_secret_borrow(pin);
    if (text.len > sizeof bytes)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": the PIN has over %u bytes", bulla_pkcs11_store(token),
                          MAX_PIN);
    bulla_copy(bytes, text.data, text.len);
    CK_RV rv = lease->functions->C_Login(lease->session, CKU_USER, bytes, (CK_ULONG)text.len);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
        refusal_keep(lease, NULL, CKR_OK);
        return BULLA_OK;
    }
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE || rv == CKR_PIN_EXPIRED)
        refusal_keep(lease, pin, rv);
    if (bulla_pkcs11_status(rv) == BULLA_EAUTHN) return pin_fail(token, call, rv);
    return bulla_pkcs11_fail(lease, call, "log in", rv);
}

static bulla_status log_in_alone(bulla_pkcs11_lease *lease, bulla_call *call)
{
    BULLA_AUTO(bulla_secret) *pin = NULL;
    bool needs_login = false;
    if (is_logged_in(lease)) return BULLA_OK; /* somebody was faster */
    BULLA_TRY(last_try_check(lease, call, &needs_login));
    if (!needs_login) return BULLA_OK;
    BULLA_TRY(pin_read(lease->token, call, &pin));
    BULLA_TRY(refusal_check(lease, call, pin));
    return pin_give(lease, call, pin);
}

bulla_status bulla_pkcs11_log_in(bulla_pkcs11_lease *lease, bulla_call *call)
{
    bulla_pkcs11_module *module = lease->token->module;
    if (is_logged_in(lease)) return BULLA_OK;
    BULLA_TRY(bulla_pkcs11_login_begin(module, call));
    bulla_status status = log_in_alone(lease, call);
    bulla_pkcs11_login_end(module);
    return status;
}
