/* SPDX-License-Identifier: Apache-2.0 */
/* Configurations from outside. What is accepted shows each of its values and takes what it shows once more. */
#include "base/bytes.h"
#include "bulla/config.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const char *lookup(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "HOME") == 0 ? "/home/fuzz" : strcmp(name, "KEY") == 0 ? "value" : NULL;
}

static bulla_status visit(void *arg, bulla_call *call, const bulla_config_item *item)
{
    bulla_config *other = arg;
    if (item->kind == BULLA_CONFIG_LIST || item->value[0] == '\0' || strchr(item->value, '$') != NULL) return BULLA_OK;
    if (bulla_config_set(other, call, item->name, item->value, "fuzz") != BULLA_OK) abort();
    return BULLA_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    bulla_env env = *bulla_env_default();
    bulla_call call;
    bulla_config *config = NULL, *other = NULL;
    env.lookup = lookup;
    bulla_call_init(&call, &env);
    if (bulla_config_parse(&call, bulla_view_of(data, len), "fuzz.yaml", &config) != BULLA_OK) {
        if (call.why[0] == '\0') abort();
        return 0;
    }
    if (bulla_config_parse(&call, bulla_view_of(NULL, 0), "empty", &other) != BULLA_OK) abort();
    if (bulla_config_show(config, &call, visit, other) != BULLA_OK) abort();
    bulla_config_free(other);
    bulla_config_free(config);
    return 0;
}
