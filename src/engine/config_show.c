/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration told to a person: every value, and where it came from. */
#include "engine/config.h"

#include <stdio.h>

static bulla_config_kind kind_of(const bulla_conf_field *field)
{
    switch (field->kind) {
    case BULLA_CONF_NUMBER: return BULLA_CONFIG_NUMBER;
    case BULLA_CONF_BOOL: return BULLA_CONFIG_BOOL;
    case BULLA_CONF_LIST: return BULLA_CONFIG_LIST;
    case BULLA_CONF_TEXT:
    case BULLA_CONF_SIZE:
    case BULLA_CONF_DURATION:
    case BULLA_CONF_WORD: break;
    }
    return BULLA_CONFIG_TEXT;
}

bulla_status bulla_config_show(const bulla_config *config, bulla_call *call, bulla_config_visit visit, void *arg)
{
    for (size_t i = 0; i < BULLA_CONFIG_NUM; i++) {
        const bulla_conf_value *value = bulla_conf_get(config->conf, i);
        const char *values[BULLA_CONF_MAX_ITEMS];
        for (size_t k = 0; k < value->num_items; k++)
            values[k] = value->items_written[k];
        const bulla_config_item item = {
            .name = bulla_config_fields[i].name,
            .kind = kind_of(&bulla_config_fields[i]),
            .value = value->written == NULL ? "" : value->written,
            .values = values,
            .num_values = value->num_items,
            .source = value->is_set ? value->source : "default",
            .line = (unsigned)value->line,
        };
        BULLA_TRY(visit(arg, call, &item));
    }
    return BULLA_OK;
}
