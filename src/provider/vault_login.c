/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a client of Vault comes to its token and keeps it. bulla_oauth sees to it that one caller at a time is in here.
 * A token is renewed at about two thirds of its lease; when that is refused, or the lease has shrunk because the token
 * nears its maximum, the client logs in again.
 */
#include "provider/vault.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/rand.h"

#include <stdio.h>

/* Why a token was given up: log in instead of renewing it; and not with the same one, which is dead. */
#define REFUSED 1u
#define REFUSED_AS_DEAD 2u

#define FOREVER_S (INT64_C(86400) * 36500)
#define AGAIN_NS (INT64_C(60) * 1000000000) /* a login that changed nothing is not repeated sooner */
#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/token"

typedef enum method { BY_TOKEN, BY_APPROLE, BY_KUBERNETES, BY_CERT, BY_JWT, BY_NOTHING } method;
static const char *const methods[] = {"token", "approle", "kubernetes", "cert", "jwt"};

/* By what the configuration gives; what a person set for this store counts before the environment. */
static method method_given(const bulla_call *call, const bulla_kms_config *config)
{
    bool has_cert = bulla_kms_setting(call, config->tls.client_cert, "VAULT_CLIENT_CERT BAO_CLIENT_CERT", NULL) != NULL;
    if (config->token != NULL || config->token_file != NULL) return BY_TOKEN;
    if (config->role_id != NULL) return BY_APPROLE;
    if (config->jwt_file != NULL) return BY_JWT;
    if (config->auth_role != NULL) return has_cert ? BY_CERT : BY_KUBERNETES;
    if (bulla_kms_setting(call, NULL, "VAULT_TOKEN BAO_TOKEN", NULL) != NULL) return BY_TOKEN;
    return has_cert ? BY_CERT : BY_NOTHING;
}

static bulla_status method_find(const bulla_vault_client *client, bulla_call *call, method *out_method)
{
    const char *name = client->config->auth_method;
    *out_method = name == NULL ? method_given(call, client->config) : BY_NOTHING;
    for (unsigned i = 0; name != NULL && i < BULLA_LEN(methods); i++)
        if (strcmp(methods[i], name) == 0) *out_method = (method)i;
    if (*out_method != BY_NOTHING) return BULLA_OK;
    return bulla_fail(call, BULLA_ECONFIG,
                      "key store \"%s\": %s; give a token, a role_id and secret_id, an auth_role or a client "
                      "certificate",
                      client->config->name, name == NULL ? "there are no credentials" : "there is no such auth_method");
}

/* Keys do not reach a forked child, and neither do credentials that were given as values. */
static bulla_status credential_check(const bulla_vault_client *client, bulla_call *call, const char *what,
                                     const bulla_secret *secret)
{
    if (bulla_secret_borrow(secret).len != 0) return BULLA_OK;
    return bulla_fail(call, BULLA_EAUTHN, "key store \"%s\": there is no %s%s", client->config->name, what,
                      secret == NULL ? "" : " in a forked process: open the key store after the fork");
}

/* One login at auth/MOUNT/login. */
static bulla_status log_in(bulla_vault_client *client, bulla_call *call, method by, const bulla_vault_field *fields,
                           size_t num_fields, bulla_vault_grant *out_grant)
{
    char mount[BULLA_VAULT_MAX_MOUNT + 1], path[BULLA_VAULT_MAX_MOUNT + 16];
    const char *given = client->config->auth_mount == NULL ? methods[by] : client->config->auth_mount;
    BULLA_AUTO(bulla_secret) *body = NULL;
    BULLA_HTTP_ANSWER(answer);
    if (!bulla_vault_path_copy(given, mount, sizeof mount))
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": \"%.60s\" is no auth_mount", client->config->name,
                          given);
    (void)snprintf(path, sizeof path, "auth/%s/login", mount);
    BULLA_TRY(bulla_vault_login_encode(call, fields, num_fields, &body));
    const bulla_vault_request request = {.verb = "login",
                                         .method = "POST",
                                         .path = path,
                                         .body = bulla_secret_borrow(body),
                                         .is_repeatable = true,
                                         .is_login = true};
    BULLA_TRY(bulla_vault_send(client, call, &request, NULL, &answer));
    if (answer.code != 200) return bulla_vault_refused(client, call, &request, &answer);
    return bulla_vault_taken(client, call, &request,
                             bulla_vault_grant_decode(call, bulla_http_body(&answer), out_grant));
}

static bulla_status approle_login(bulla_vault_client *client, bulla_call *call, bulla_vault_grant *out_grant)
{
    const bulla_kms_config *config = client->config;
    bulla_view secret_id = bulla_secret_borrow(config->secret_id); /* a role may do without */
    if (config->role_id == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "key store \"%s\": approle needs a role_id", config->name);
    if (config->secret_id != NULL) BULLA_TRY(credential_check(client, call, "secret_id", config->secret_id));
    const bulla_vault_field fields[] = {{"role_id", bulla_view_text(config->role_id)}, {"secret_id", secret_id}};
    return log_in(client, call, BY_APPROLE, fields, BULLA_LEN(fields), out_grant);
}

static bulla_status jwt_login(bulla_vault_client *client, bulla_call *call, method by, bulla_vault_grant *out_grant)
{
    const bulla_kms_config *config = client->config;
    BULLA_AUTO(bulla_secret) *jwt = NULL;
    BULLA_TRY(bulla_kms_secret_file(call, config->jwt_file == NULL ? SERVICE_ACCOUNT : config->jwt_file, &jwt));
    const bulla_vault_field fields[] = {{"role", bulla_view_text(config->auth_role)},
                                        {"jwt", bulla_secret_borrow(jwt)}};
    return log_in(client, call, by, fields, BULLA_LEN(fields), out_grant);
}

static bulla_status cert_login(bulla_vault_client *client, bulla_call *call, bulla_vault_grant *out_grant)
{
    const bulla_vault_field fields[] = {{"name", bulla_view_text(client->config->auth_role)}};
    return log_in(client, call, BY_CERT, fields, BULLA_LEN(fields), out_grant);
}

/* How long a token lives that somebody else made. Its policy may forbid it to ask; then it is taken for one that does
 * not end. */
static bulla_status token_look_up(bulla_vault_client *client, bulla_call *call, const bulla_secret *token,
                                  bulla_vault_grant *out_grant)
{
    static const bulla_vault_request request = {
        .verb = "login", .method = "GET", .path = "auth/token/lookup-self", .is_repeatable = true, .is_login = true};
    bulla_vault_error error;
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_vault_send(client, call, &request, token, &answer));
    if (answer.code == 200)
        return bulla_vault_taken(client, call, &request,
                                 bulla_vault_lookup_decode(call, bulla_http_body(&answer), out_grant));
    bulla_vault_error_decode(bulla_http_body(&answer), &error);
    if (answer.code == 403 && error.reason == BULLA_VAULT_UNKNOWN) return BULLA_OK;
    return bulla_vault_refused(client, call, &request, &answer);
}

/* The token that was found dead a moment ago: not worth a request. */
static bool is_dead(const bulla_vault_client *client, const bulla_secret *token)
{
    int64_t refused_ns = 0;
    if (bulla_oauth_refusal(client->tokens, &refused_ns) != REFUSED_AS_DEAD) return false;
    if (client->env->ticks_ns(client->env->arg) - refused_ns > AGAIN_NS) return false;
    return bulla_view_equal(bulla_secret_borrow(token), bulla_secret_borrow(client->token));
}

static bulla_status token_login(bulla_vault_client *client, bulla_call *call, bulla_vault_grant *out_grant)
{
    const bulla_kms_config *config = client->config;
    BULLA_AUTO(bulla_secret) *token = NULL;
    bulla_vault_grant grant = {.token = NULL};
    if (config->token_file != NULL)
        BULLA_TRY(bulla_kms_secret_file(call, config->token_file, &token));
    else
        BULLA_TRY(bulla_kms_secret(call, config->token, "VAULT_TOKEN BAO_TOKEN", &token));
    BULLA_TRY(credential_check(client, call, "token", token));
    if (is_dead(client, token))
        return bulla_fail(call, BULLA_EAUTHN,
                          "key store \"%s\" at %.60s: the token is not valid any more; give a new one", config->name,
                          client->host);
    BULLA_TRY(token_look_up(client, call, token, &grant));
    grant.token = BULLA_TAKE(token);
    *out_grant = grant;
    return BULLA_OK;
}

static bulla_status login_by(bulla_vault_client *client, bulla_call *call, method by, bulla_vault_grant *out_grant)
{
    switch (by) {
    case BY_TOKEN: return token_login(client, call, out_grant);
    case BY_APPROLE: return approle_login(client, call, out_grant);
    case BY_KUBERNETES:
    case BY_JWT: return jwt_login(client, call, by, out_grant);
    case BY_CERT: return cert_login(client, call, out_grant);
    case BY_NOTHING: break;
    }
    return bulla_fail(call, BULLA_EINTERNAL, "there is no such login");
}

static bulla_status renew(bulla_vault_client *client, bulla_call *call, bulla_vault_grant *out_grant)
{
    static const bulla_vault_request request = {
        .verb = "login", .method = "POST", .path = "auth/token/renew-self", .is_repeatable = true, .is_login = true};
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_vault_send(client, call, &request, client->token, &answer));
    if (answer.code != 200) return bulla_vault_refused(client, call, &request, &answer);
    return bulla_vault_taken(client, call, &request,
                             bulla_vault_grant_decode(call, bulla_http_body(&answer), out_grant));
}

/* Renewed, or why another login is needed (CALLER class), or why neither is possible now. */
static bulla_status try_renew(bulla_vault_client *client, bulla_call *call, bulla_vault_grant *out_grant)
{
    int64_t refused_ns = 0;
    if (bulla_oauth_refusal(client->tokens, &refused_ns) != 0 || !client->is_renewable) return BULLA_EAUTHN;
    if (bulla_secret_borrow(client->token).len == 0) return BULLA_EAUTHN;
    bulla_vault_grant grant = {.token = NULL};
    BULLA_TRY(renew(client, call, &grant));
    bool has_shrunk = grant.lease_s != 0 && grant.lease_s < client->first_lease_s / 2;
    if (has_shrunk || !bulla_secret_is_live(grant.token)) {
        bulla_vault_grant_done(&grant);
        return BULLA_EAUTHN;
    }
    *out_grant = grant;
    return BULLA_OK;
}

/* Between 60 and 70 hundredths of a lease, so that many processes do not come at once. */
static int64_t renewal_s(bulla_call *call, int64_t lease_s)
{
    uint8_t draw = 0;
    if (bulla_rand(call, &draw, 1) != BULLA_OK) draw = 128;
    int64_t at = lease_s < INT64_C(1) << 40 ? lease_s * (600 + draw * 100 / 256) / 1000 : lease_s / 2;
    return at < 1 ? 1 : at;
}

static void grant_keep(bulla_vault_client *client, bulla_call *call, bulla_vault_grant *grant, bool is_login,
                       bulla_oauth_grant *out_grant)
{
    int64_t lifetime_s = grant->lease_s == 0 || grant->lease_s > FOREVER_S ? FOREVER_S : grant->lease_s;
    bulla_secret_unref(client->token);
    client->token = bulla_secret_ref(grant->token);
    client->is_renewable = grant->is_renewable;
    if (is_login) {
        client->first_lease_s = grant->lease_s;
        __atomic_store_n(&client->logged_ns, client->env->ticks_ns(client->env->arg), __ATOMIC_RELAXED);
        __atomic_add_fetch(&client->num_logins, 1, __ATOMIC_RELAXED);
    }
    out_grant->bearer = BULLA_TAKE(grant->token);
    out_grant->lifetime_s = lifetime_s;
    out_grant->renew_s = renewal_s(call, lifetime_s);
}

bulla_status bulla_vault_login(void *arg, bulla_call *call, bulla_oauth_grant *out_grant)
{
    bulla_vault_client *client = arg;
    bulla_vault_grant grant = {.token = NULL};
    method by = BY_NOTHING;
    BULLA_TRY(method_find(client, call, &by));
    __atomic_store_n(&client->is_given, by == BY_TOKEN && client->config->token_file == NULL, __ATOMIC_RELAXED);
    bulla_status status = try_renew(client, call, &grant);
    bool is_login = status != BULLA_OK && bulla_status_class(status) == BULLA_CLASS_CALLER;
    if (is_login) status = login_by(client, call, by, &grant);
    if (status != BULLA_OK) return status;
    grant_keep(client, call, &grant, is_login, out_grant);
    return BULLA_OK;
}

/* "permission denied" is said of dead tokens as of policies, so it is worth one login; but a policy that forbids would
 * make each request a login. A token that was given as a value leads to itself. */
bool bulla_vault_give_up(bulla_vault_client *client, const bulla_vault_error *error, const bulla_secret *token)
{
    int64_t now = client->env->ticks_ns(client->env->arg);
    int64_t logged = __atomic_load_n(&client->logged_ns, __ATOMIC_RELAXED);
    bool is_bad = error->reason == BULLA_VAULT_BAD_TOKEN;
    if (!bulla_oauth_keeps(client->tokens, token)) return true;
    if (!is_bad && (now - logged < AGAIN_NS || __atomic_load_n(&client->is_given, __ATOMIC_RELAXED))) return false;
    (void)bulla_oauth_refuse(client->tokens, token, is_bad ? REFUSED_AS_DEAD : REFUSED);
    return true;
}
