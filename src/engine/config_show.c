/* SPDX-License-Identifier: Apache-2.0 */
/* A configuration told to a person: every value, and where it came from. */
#include "engine/config.h"

#include <stdio.h>

typedef struct shown_to {
    bulla_config_visit visit;
    void *arg;
} shown_to;

static bulla_config_kind kind_of(const bulla_conf_field *field)
{
    switch (field->kind) {
    case BULLA_CONF_NUMBER: return BULLA_CONFIG_NUMBER;
    case BULLA_CONF_BOOL: return BULLA_CONFIG_BOOL;
    case BULLA_CONF_LIST: return BULLA_CONFIG_LIST;
    case BULLA_CONF_TEXT:
    case BULLA_CONF_SIZE:
    case BULLA_CONF_DURATION:
    case BULLA_CONF_WORD:
    case BULLA_CONF_SECRET:
    case BULLA_CONF_BLOCKS: break;
    }
    return BULLA_CONFIG_TEXT;
}

static bulla_status value_show(const bulla_conf_field *field, const bulla_conf_value *value, const char *name,
                               bulla_call *call, const shown_to *to)
{
    const char *values[BULLA_CONF_MAX_ITEMS];
    for (size_t k = 0; k < value->num_items; k++)
        values[k] = value->items_written[k];
    const bulla_config_item item = {
        .name = name,
        .kind = kind_of(field),
        .value = value->written == NULL ? "" : value->written,
        .values = values,
        .num_values = value->num_items,
        .source = value->is_set ? value->source : "default",
        .line = (unsigned)value->line,
    };
    return to->visit(to->arg, call, &item);
}

/* Of a key store only what is set: most names belong to stores of another kind. */
static bulla_status block_show(const bulla_conf *block, const char *block_name, bulla_call *call, const shown_to *to)
{
    for (size_t i = 0; i < BULLA_KMS_NUM_FIELDS; i++) {
        char name[128];
        const bulla_conf_value *value = bulla_conf_get(block, i);
        if (!value->is_set) continue;
        (void)snprintf(name, sizeof name, "kms.%s.%s", block_name, bulla_kms_fields[i].name);
        BULLA_TRY(value_show(&bulla_kms_fields[i], value, name, call, to));
    }
    return BULLA_OK;
}

bulla_status bulla_config_show(const bulla_config *config, bulla_call *call, bulla_config_visit visit, void *arg)
{
    const shown_to to = {visit, arg};
    const char *name = NULL;
    for (size_t i = 0; i < BULLA_CONFIG_NUM; i++) {
        const bulla_conf_field *field = &bulla_config_fields[i];
        if (field->kind == BULLA_CONF_BLOCKS) continue;
        BULLA_TRY(value_show(field, bulla_conf_get(config->conf, i), field->name, call, &to));
    }
    for (size_t i = 0; bulla_conf_block(config->conf, i, &name) != NULL; i++)
        BULLA_TRY(block_show(bulla_conf_block(config->conf, i, &name), name, call, &to));
    return BULLA_OK;
}
