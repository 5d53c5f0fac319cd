/* SPDX-License-Identifier: Apache-2.0 */
#include "base/conf_impl.h"

#include <stdarg.h>
#include <stdio.h>

bulla_status bulla_conf_fail_at(bulla_call *call, const bulla_conf_place *place, const char *format, ...)
{
    char why[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, sizeof why, format, args);
    va_end(args);
    const bool in_block = place->block != NULL && place->block[0] != '\0';
    const char *before = in_block ? place->block : "", *between = in_block ? ": " : "";
    if (place->line == 0) return bulla_fail(call, BULLA_ECONFIG, "%s: %s%s%s", place->source, before, between, why);
    return bulla_fail(call, BULLA_ECONFIG, "%s:%zu:%zu: %s%s%s", place->source, place->line, place->column, before,
                      between, why);
}

bulla_status bulla_conf_new(bulla_call *call, const bulla_conf_field *fields, size_t num_fields, const char *source,
                            bulla_conf **out_conf)
{
    BULLA_AUTO(bulla_conf) *conf = NULL;
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof *conf, &memory));
    conf = memory;
    conf->env = bulla_env_of(call);
    conf->fields = fields;
    conf->num_fields = num_fields;
    (void)snprintf(conf->source, sizeof conf->source, "%s", source);
    BULLA_TRY(bulla_alloc(call, num_fields * sizeof *conf->values, &memory));
    conf->values = memory;
    BULLA_TRY(bulla_alloc(call, num_fields * sizeof *conf->opened, &memory));
    conf->opened = memory;
    *out_conf = BULLA_TAKE(conf);
    return BULLA_OK;
}

bulla_status bulla_conf_parse(bulla_call *call, const bulla_conf_field *fields, size_t num_fields, bulla_view text,
                              const char *source, bulla_conf **out_conf)
{
    BULLA_AUTO(bulla_conf) *conf = NULL;
    BULLA_TRY(bulla_conf_new(call, fields, num_fields, source, &conf));
    BULLA_TRY(bulla_conf_read(conf, call, text));
    *out_conf = BULLA_TAKE(conf);
    return BULLA_OK;
}

static bulla_status value_set(bulla_conf *conf, bulla_call *call, size_t index, const char *value, const char *source)
{
    const bulla_conf_place place = {source, 0, 0, conf->block};
    bulla_conf_value before = conf->values[index];
    memset(&conf->values[index], 0, sizeof before);
    bulla_status status = bulla_conf_value_put(conf, call, index, bulla_view_text(value), false, &place);
    bulla_conf_value after = conf->values[index];
    conf->values[index] = status == BULLA_OK ? before : after; /* the one to be dropped */
    bulla_conf_value_done(conf, index);
    conf->values[index] = status == BULLA_OK ? after : before;
    return status;
}

static bulla_conf *block_find(const bulla_conf *conf, bulla_view name)
{
    for (size_t i = 0; i < conf->num_blocks; i++)
        if (bulla_view_is(name, conf->blocks[i].name)) return conf->blocks[i].conf;
    return NULL;
}

/* "kms.main.address": the rest of the name is a field of the block, which is made when it is not there. */
static bulla_status block_set(bulla_conf *conf, bulla_call *call, size_t index, const char *name, const char *value,
                              const char *source)
{
    const char *dot = strchr(name, '.');
    const bulla_conf_place place = {source, 0, 0, NULL};
    if (dot == NULL) return bulla_fail(call, BULLA_EINVAL, "name a value of the block, such as \"%s.address\"", name);
    bulla_view block_name = bulla_view_of(name, (size_t)(dot - name));
    bulla_conf *block = block_find(conf, block_name);
    if (block == NULL) BULLA_TRY(bulla_conf_block_add(conf, call, index, block_name, &place, &block));
    return bulla_conf_set(block, call, dot + 1, value, source);
}

bulla_status bulla_conf_set(bulla_conf *conf, bulla_call *call, const char *name, const char *value, const char *source)
{
    for (size_t i = 0; i < conf->num_fields; i++) {
        const char *field = conf->fields[i].name;
        size_t len = strlen(field);
        if (conf->fields[i].kind != BULLA_CONF_BLOCKS && strcmp(field, name) == 0)
            return value_set(conf, call, i, value, source);
        if (conf->fields[i].kind == BULLA_CONF_BLOCKS && strncmp(field, name, len) == 0 && name[len] == '.')
            return block_set(conf, call, i, name + len + 1, value, source);
    }
    return bulla_fail(call, BULLA_EINVAL, "there is no setting \"%s\"", name);
}

static bool block_name_is(bulla_view name)
{
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-')) return false;
    }
    return name.len >= 1 && name.len <= BULLA_CONF_MAX_BLOCK_NAME;
}

bulla_status bulla_conf_block_add(bulla_conf *conf, bulla_call *call, size_t index, bulla_view name,
                                  const bulla_conf_place *place, bulla_conf **out_block)
{
    const bulla_conf_field *field = &conf->fields[index];
    bulla_conf *block = NULL;
    if (!block_name_is(name))
        return bulla_conf_fail_at(call, place, "%s: a name here is 1 to %u of a-z 0-9 _ -", field->name,
                                  BULLA_CONF_MAX_BLOCK_NAME);
    if (block_find(conf, name) != NULL)
        return bulla_conf_fail_at(call, place, "%s.%.*s is there twice", field->name, (int)name.len, name.data);
    if (conf->num_blocks == BULLA_CONF_MAX_BLOCKS)
        return bulla_conf_fail_at(call, place, "%s: more than %u blocks", field->name, BULLA_CONF_MAX_BLOCKS);
    BULLA_TRY(bulla_conf_new(call, field->fields, field->num_fields, conf->source, &block));
    (void)snprintf(block->block, sizeof block->block, "%s.%.*s", field->name, (int)name.len, name.data);
    memcpy(conf->blocks[conf->num_blocks].name, name.data, name.len);
    conf->blocks[conf->num_blocks++].conf = block;
    *out_block = block;
    return BULLA_OK;
}

const bulla_conf *bulla_conf_block(const bulla_conf *conf, size_t index, const char **out_name)
{
    if (index >= conf->num_blocks) return NULL;
    *out_name = conf->blocks[index].name;
    return conf->blocks[index].conf;
}

const bulla_conf_value *bulla_conf_get(const bulla_conf *conf, size_t index)
{
    return &conf->values[index];
}

bulla_status bulla_conf_fail(const bulla_conf *conf, bulla_call *call, size_t index, const char *why)
{
    const bulla_conf_value *value = &conf->values[index];
    const bulla_conf_place place = {value->source == NULL ? conf->source : value->source, value->line, value->column,
                                    conf->block};
    return bulla_conf_fail_at(call, &place, "%s: %s", conf->fields[index].name, why);
}

void bulla_conf_free(bulla_conf *conf)
{
    if (conf == NULL) return;
    for (size_t i = 0; conf->values != NULL && i < conf->num_fields; i++)
        bulla_conf_value_done(conf, i);
    for (size_t i = 0; i < conf->num_blocks; i++)
        bulla_conf_free(conf->blocks[i].conf); /* one deep */
    bulla_free(conf->env, conf->values);
    bulla_free(conf->env, conf->opened);
    bulla_free(conf->env, conf);
}
