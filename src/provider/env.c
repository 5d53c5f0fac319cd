/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env:VAR?namespace=N&name=K: an AES key as base64 in a variable of the environment. For development and for platforms
 * that offer nothing else: other processes of the same user can read it, and it is inherited by every child.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/backends.h"
#include "provider/keyfile.h"
#include "provider/rawaes.h"

#include <stdio.h>

static const char *const params[] = {"namespace", "name", NULL};

static bulla_status variable_read(bulla_call *call, const char *variable, bulla_secret **out_key)
{
    const bulla_env *env = bulla_env_of(call);
    char what[160];
    if (env->lookup == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "env: this program gives no access to environment variables");
    const char *value = env->lookup(env->arg, variable);
    if (value == NULL) return bulla_fail(call, BULLA_ENOKEY, "environment variable \"%.128s\" is not set", variable);
    (void)snprintf(what, sizeof what, "environment variable \"%.120s\"", variable);
    return bulla_keytext_decode(call, what, bulla_view_text(value), out_key);
}

bulla_status bulla_env_provider_open(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    (void)arg;
    bulla_address parsed;
    bulla_rawkey_name name;
    BULLA_TRY(bulla_address_parse(call, address, &parsed));
    BULLA_TRY(bulla_address_params_check(call, &parsed, params));
    if (parsed.body[0] == '\0' || strchr(parsed.body, '=') != NULL)
        return bulla_fail(call, BULLA_EINVAL,
                          "env: the name of the environment variable is missing or has \"=\" in it");
    BULLA_TRY(bulla_rawkey_name_parse(call, &parsed, "env", parsed.body, &name));
    BULLA_AUTO(bulla_secret) *key = NULL;
    BULLA_TRY(variable_read(call, parsed.body, &key));
    return bulla_rawaes_open(call, BULLA_RAWAES_ENV, address, &name, key, out_provider);
}
