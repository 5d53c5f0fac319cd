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
    if (place->line == 0) return bulla_fail(call, BULLA_ECONFIG, "%s: %s", place->source, why);
    return bulla_fail(call, BULLA_ECONFIG, "%s:%zu:%zu: %s", place->source, place->line, place->column, why);
}

static bulla_status conf_new(bulla_call *call, const bulla_conf_field *fields, size_t num_fields, const char *source,
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
    BULLA_TRY(conf_new(call, fields, num_fields, source, &conf));
    BULLA_TRY(bulla_conf_read(conf, call, text));
    *out_conf = BULLA_TAKE(conf);
    return BULLA_OK;
}

bulla_status bulla_conf_set(bulla_conf *conf, bulla_call *call, const char *name, const char *value, const char *source)
{
    const bulla_conf_place place = {source, 0, 0};
    for (size_t i = 0; i < conf->num_fields; i++) {
        if (strcmp(conf->fields[i].name, name) != 0) continue;
        bulla_conf_value before = conf->values[i];
        memset(&conf->values[i], 0, sizeof before);
        bulla_status status = bulla_conf_value_put(conf, call, i, bulla_view_text(value), false, &place);
        bulla_conf_value after = conf->values[i];
        conf->values[i] = status == BULLA_OK ? before : after; /* the one to be dropped */
        bulla_conf_value_done(conf, i);
        conf->values[i] = status == BULLA_OK ? after : before;
        return status;
    }
    return bulla_fail(call, BULLA_EINVAL, "there is no setting \"%s\"", name);
}

const bulla_conf_value *bulla_conf_get(const bulla_conf *conf, size_t index)
{
    return &conf->values[index];
}

bulla_status bulla_conf_fail(const bulla_conf *conf, bulla_call *call, size_t index, const char *why)
{
    const bulla_conf_value *value = &conf->values[index];
    const bulla_conf_place place = {value->source == NULL ? conf->source : value->source, value->line, value->column};
    return bulla_conf_fail_at(call, &place, "%s: %s", conf->fields[index].name, why);
}

void bulla_conf_free(bulla_conf *conf)
{
    if (conf == NULL) return;
    for (size_t i = 0; conf->values != NULL && i < conf->num_fields; i++)
        bulla_conf_value_done(conf, i);
    bulla_free(conf->env, conf->values);
    bulla_free(conf->env, conf->opened);
    bulla_free(conf->env, conf);
}
