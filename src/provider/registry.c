/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/registry.h"

#include "base/nearest.h"
#include "provider/backends.h"
#include "provider/provider.h"

#include <string.h>

static const bulla_scheme backends[] = {
    {"env", bulla_env_provider_open, NULL},
    {"file", bulla_file_provider_open, NULL},
    {"rsa", bulla_rsa_provider_open, NULL},
};
/* Key stores behind a network or a module: opened from a configuration. One line each. */
static const bulla_backend *const stores[] = {
    &bulla_aws_backend, &bulla_azure_backend, &bulla_gcp_backend, &bulla_pkcs11_backend, &bulla_vault_backend,
};
_Static_assert(BULLA_LEN(backends) + BULLA_LEN(stores) <= BULLA_MAX_SCHEMES, "there is room for every back end");

static void add(bulla_registry *registry, const bulla_scheme *scheme)
{
    memcpy(registry->names[registry->num_schemes], scheme->name, strlen(scheme->name) + 1);
    registry->schemes[registry->num_schemes++] = *scheme;
}

const bulla_backend *bulla_backend_find(const char *scheme)
{
    for (size_t i = 0; i < BULLA_LEN(stores); i++)
        if (stores[i] != NULL && strcmp(stores[i]->scheme, scheme) == 0) return stores[i];
    return NULL;
}

/* The first endpoint of the key's store, with nothing around it. */
static bulla_status store_open(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    char scheme[BULLA_SCHEME_MAX + 1], name[BULLA_KMS_NAME_MAX + 2];
    const bulla_kms_config *config = NULL;
    BULLA_TRY(bulla_address_scheme_parse(call, address, scheme));
    bool named = bulla_kms_name_of(address, name, sizeof name);
    const bulla_backend *backend = bulla_backend_find(scheme);
    if (backend == NULL) return bulla_fail(call, BULLA_EINTERNAL, "scheme \"%s\" has no back end", scheme);
    BULLA_TRY(bulla_kms_find(arg, call, scheme, named ? name : NULL, &config));
    return backend->open(arg, call, config, address, 0, out_provider);
}

void bulla_registry_init(bulla_registry *registry, bulla_kms *kms)
{
    memset(registry, 0, sizeof *registry);
    for (size_t i = 0; i < BULLA_LEN(backends); i++)
        add(registry, &backends[i]);
    for (size_t i = 0; kms != NULL && i < BULLA_LEN(stores); i++)
        if (stores[i] != NULL) add(registry, &(bulla_scheme){stores[i]->scheme, store_open, kms});
}

static const bulla_scheme *find(const bulla_registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->num_schemes; i++)
        if (strcmp(registry->names[i], name) == 0) return &registry->schemes[i];
    return NULL;
}

bulla_status bulla_registry_add(bulla_registry *registry, bulla_call *call, const bulla_scheme *scheme)
{
    if (scheme == NULL || scheme->name == NULL || scheme->open == NULL)
        return bulla_fail(call, BULLA_EINVAL, "a scheme needs a name and a function that opens its addresses");
    if (!bulla_scheme_name_is(scheme->name, strnlen(scheme->name, BULLA_SCHEME_MAX + 1)))
        return bulla_fail(call, BULLA_EINVAL, "a scheme's name is 1 to %u of a-z 0-9 + . - and starts with a letter",
                          BULLA_SCHEME_MAX);
    if (find(registry, scheme->name) != NULL)
        return bulla_fail(call, BULLA_EEXISTS, "scheme \"%s\" is taken", scheme->name);
    if (registry->num_schemes == BULLA_MAX_SCHEMES)
        return bulla_fail(call, BULLA_ELIMIT, "there is room for %u schemes", BULLA_MAX_SCHEMES);
    add(registry, scheme);
    return BULLA_OK;
}

static bulla_status unknown_scheme(const bulla_registry *registry, bulla_call *call, const char *scheme)
{
    const char *known[BULLA_MAX_SCHEMES];
    for (size_t i = 0; i < registry->num_schemes; i++)
        known[i] = registry->names[i];
    const char *near = bulla_word_nearest(scheme, known, registry->num_schemes);
    if (near == NULL) return bulla_fail(call, BULLA_EINVAL, "no provider is known for \"%s:\" addresses", scheme);
    return bulla_fail(call, BULLA_EINVAL, "no provider is known for \"%s:\" addresses; did you mean \"%s:\"?", scheme,
                      near);
}

bulla_status bulla_registry_open(const bulla_registry *registry, bulla_call *call, const char *address,
                                 bulla_provider **out_provider)
{
    char name[BULLA_SCHEME_MAX + 1];
    BULLA_TRY(bulla_address_scheme_parse(call, address, name));
    const bulla_scheme *scheme = find(registry, name);
    if (scheme == NULL) return unknown_scheme(registry, call, name);
    BULLA_AUTO(bulla_provider) *provider = NULL;
    BULLA_TRY(scheme->open(scheme->arg, call, address, &provider));
    if (provider == NULL) return bulla_fail(call, BULLA_ECONTRACT, "scheme \"%s\" said ok but opened nothing", name);
    *out_provider = BULLA_TAKE(provider);
    return BULLA_OK;
}
