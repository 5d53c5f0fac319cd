/* SPDX-License-Identifier: Apache-2.0 */
#include "stores/cloud.h"

#include "provider/backends.h"
#include "stores/control.h"

#include <stdio.h>
#include <string.h>

static const char *look_up(void *arg, const char *name)
{
    const cloud *c = arg;
    for (size_t i = 0; i < BULLA_LEN(c->vars); i++)
        if (c->vars[i][0] != NULL && strcmp(c->vars[i][0], name) == 0) return c->vars[i][1];
    return NULL;
}

static int64_t ticks(void *arg)
{
    const cloud *c = arg;
    const bulla_env *real = bulla_env_default();
    return real->ticks_ns(real->arg) + __atomic_load_n(&c->later_ns, __ATOMIC_RELAXED);
}

void cloud_init(cloud *c, const char *provider)
{
    const bulla_pair pair = {bulla_view_text("tenant"), bulla_view_text("acme")};
    memset(c, 0, sizeof *c);
    c->env = *bulla_env_default();
    c->env.arg = c;
    c->env.lookup = look_up;
    c->env.ticks_ns = ticks;
    bulla_call_init(&c->call, &c->env);
    c->config = (bulla_kms_config){.size = sizeof c->config, .name = "main", .provider = provider, .timeout_ms = 5000};
    assert_ok(bulla_context_new(&c->call, &pair, 1, &c->context));
    assert_ok(bulla_secret_random(&c->call, 32, &c->dek));
}

bulla_status cloud_open(cloud *c, const char *address)
{
    const bulla_kms_config *config = NULL;
    assert_null(c->key);
    bulla_kms_free(c->kms);
    c->kms = NULL;
    BULLA_TRY(bulla_kms_new(&c->call, &c->config, 1, NULL, &c->kms));
    BULLA_TRY(bulla_kms_find(c->kms, &c->call, c->config.provider, "main", &config));
    return bulla_backend_find(c->config.provider)->open(c->kms, &c->call, config, address, 0, &c->key);
}

void cloud_key(cloud *c, const char *name)
{
    char address[512];
    (void)snprintf(address, sizeof address, "%s:%s", c->config.provider, name);
    assert_ok(cloud_open(c, address));
}

void cloud_close(cloud *c)
{
    bulla_provider_unref(BULLA_TAKE(c->key));
}

void cloud_done(cloud *c)
{
    bulla_provider_unref(c->key);
    bulla_kms_free(c->kms);
    bulla_wrapped_free(c->wrapped);
    bulla_secret_unref(c->dek);
    bulla_secret_unref(c->config.client_secret);
    bulla_context_unref(c->context);
}

bulla_status cloud_wrap(cloud *c)
{
    bulla_wrapped *wrapped = NULL;
    BULLA_TRY(bulla_provider_wrap(c->key, &c->call, c->context, c->dek, &wrapped));
    bulla_wrapped_free(c->wrapped);
    c->wrapped = wrapped;
    return BULLA_OK;
}

bulla_status cloud_unwrap(cloud *c)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    BULLA_TRY(bulla_provider_unwrap(c->key, &c->call, c->context, c->wrapped, &dek));
    assert_true(bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(c->dek)));
    return BULLA_OK;
}

void cloud_roundtrip(cloud *c)
{
    assert_ok(cloud_wrap(c));
    assert_ok(cloud_unwrap(c));
}

void cloud_refusals_check(cloud *c, const char *server, const cloud_refusal *rows, size_t num_rows)
{
    cloud_roundtrip(c);
    for (size_t i = 0; i < num_rows; i++) {
        control("%s fake %s=2", server, rows[i].fault);
        assert_status(cloud_unwrap(c), rows[i].status);
        assert_int_equal(c->call.native, rows[i].native);
        assert_int_equal(c->call.retry_after_ms, rows[i].retry_after_ms);
        assert_status(cloud_wrap(c), rows[i].status);
        assert_why(c, "main"); /* which store */
        cloud_roundtrip(c);
    }
}

void assert_why(const cloud *c, const char *part)
{
    static const char *const secrets[] = {"Bearer",      "t0ken.",  "s3cret", "PRIVATE KEY",
                                          "user-secret", "refresh", "<html"};
    if (strstr(c->call.why, part) == NULL) print_error("\"%s\" lacks \"%s\"\n", c->call.why, part);
    assert_non_null(strstr(c->call.why, part));
    for (size_t i = 0; i < BULLA_LEN(secrets); i++)
        assert_null(strstr(c->call.why, secrets[i]));
}
