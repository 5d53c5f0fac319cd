/* SPDX-License-Identifier: Apache-2.0 */
/* One value: variables filled in, its kind and range checked. */
#include "base/conf_impl.h"
#include "base/nearest.h"

#include <stdio.h>

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

static const unit no_units[] = {{"", 1}, {NULL, 0}};
static const unit size_units[] = {{"", 1},           {"K", 1u << 10},   {"M", 1u << 20},   {"G", 1u << 30},
                                  {"KiB", 1u << 10}, {"MiB", 1u << 20}, {"GiB", 1u << 30}, {NULL, 0}};
static const unit duration_units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

/* Digits, then a unit. */
static bool number_parse(const char *text, const unit *units, uint64_t *out_number)
{
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10u, &number)) return false;
        if (__builtin_add_overflow(number, (uint64_t)(*at - '0'), &number)) return false;
    }
    if (at == text) return false;
    for (; units->name != NULL; units++)
        if (strcmp(at, units->name) == 0) return !__builtin_mul_overflow(number, units->factor, out_number);
    return false;
}

static bulla_status number_check(const bulla_conf_field *field, bulla_call *call, const char *text,
                                 const bulla_conf_place *place, uint64_t *out_number)
{
    static const struct {
        const unit *units;
        const char *what, *suffix;
    } kinds[] = {[BULLA_CONF_NUMBER] = {no_units, "a whole number", ""},
                 [BULLA_CONF_SIZE] = {size_units, "a size such as 64K or 1M", " bytes"},
                 [BULLA_CONF_DURATION] = {duration_units, "a duration such as 500ms, 30s, 5m, 24h or 90d", " ms"}};
    uint64_t number = 0;
    if (!number_parse(text, kinds[field->kind].units, &number))
        return bulla_conf_fail_at(call, place, "%s: \"%.40s\" is not %s", field->name, text, kinds[field->kind].what);
    if (number < field->min || number > field->max)
        return bulla_conf_fail_at(call, place, "%s: %.40s is not between %llu and %llu%s", field->name, text,
                                  (unsigned long long)field->min, (unsigned long long)field->max,
                                  kinds[field->kind].suffix);
    *out_number = number;
    return BULLA_OK;
}

static bulla_status word_check(const bulla_conf_field *field, bulla_call *call, const char *text,
                               const bulla_conf_place *place, uint64_t *out_index)
{
    static const char *const bools[] = {"false", "true", NULL};
    const char *const *words = field->kind == BULLA_CONF_BOOL ? bools : field->words;
    char all[128] = "";
    size_t num = 0, len = 0;
    for (; words[num] != NULL; num++) {
        if (strcmp(words[num], text) == 0) {
            *out_index = num;
            return BULLA_OK;
        }
        int added = snprintf(all + len, sizeof all - len, "%s%s", num == 0 ? "" : ", ", words[num]);
        len = added > 0 && (size_t)added < sizeof all - len ? len + (size_t)added : len;
    }
    const char *nearest = bulla_word_nearest(text, words, num);
    if (nearest == NULL)
        return bulla_conf_fail_at(call, place, "%s: \"%.40s\" is not one of: %s", field->name, text, all);
    return bulla_conf_fail_at(call, place, "%s: \"%.40s\" is not one of: %s; did you mean \"%s\"?", field->name, text,
                              all, nearest);
}

static bulla_status kind_check(const bulla_conf_field *field, bulla_call *call, const char *text,
                               const bulla_conf_place *place, uint64_t *out_number)
{
    switch (field->kind) {
    case BULLA_CONF_NUMBER:
    case BULLA_CONF_SIZE:
    case BULLA_CONF_DURATION: return number_check(field, call, text, place, out_number);
    case BULLA_CONF_BOOL:
    case BULLA_CONF_WORD: return word_check(field, call, text, place, out_number);
    case BULLA_CONF_TEXT:
    case BULLA_CONF_SECRET:
    case BULLA_CONF_LIST:
    case BULLA_CONF_BLOCKS: break;
    }
    if (text[0] == '\0') return bulla_conf_fail_at(call, place, "%s: the value is empty", field->name);
    return BULLA_OK;
}

/* The length of the variable's name at the start of `text`, which ends with '}'; 0 when there is none. */
static size_t variable_len(bulla_view text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
        if (c == '}') return i;
        if (!letter && (i == 0 || c < '0' || c > '9')) return 0;
    }
    return 0;
}

/* What stands after a dollar sign: another one, or {NAME}. */
static bulla_status variable_read(bulla_call *call, bulla_reader *from, const bulla_conf_place *place,
                                  bulla_writer *out)
{
    uint8_t next = bulla_read_u8(from);
    if (!from->failed && next == '$') {
        bulla_write_u8(out, '$');
        return BULLA_OK;
    }
    size_t len = from->failed || next != '{' ? 0 : variable_len(from->rest);
    if (len == 0) return bulla_conf_fail_at(call, place, "after $ comes {NAME}; write a dollar sign itself as $$");
    char name[128];
    bulla_view variable = bulla_read_view(from, len);
    (void)bulla_read_u8(from); /* the brace */
    if (len >= sizeof name) return bulla_conf_fail_at(call, place, "the name of a variable is too long");
    memcpy(name, variable.data, len);
    name[len] = '\0';
    const bulla_env *env = bulla_env_of(call);
    const char *value = env->lookup == NULL ? NULL : env->lookup(env->arg, name);
    if (value == NULL) return bulla_conf_fail_at(call, place, "the variable ${%s} is not set", name);
    bulla_write_view(out, bulla_view_text(value));
    return BULLA_OK;
}

/* Fills `out` (BULLA_CONF_MAX_TEXT + 1 bytes) with the text that `written` stands for. */
static bulla_status expand(bulla_call *call, bulla_view written, bool substitute, const bulla_conf_place *place,
                           char *out)
{
    bulla_writer writer = bulla_writer_of((uint8_t *)out, BULLA_CONF_MAX_TEXT);
    bulla_reader reader = bulla_reader_of(written);
    while (reader.rest.len != 0) {
        uint8_t byte = bulla_read_u8(&reader);
        if (substitute && byte == '$')
            BULLA_TRY(variable_read(call, &reader, place, &writer));
        else
            bulla_write_u8(&writer, byte);
    }
    if (writer.failed) return bulla_conf_fail_at(call, place, "a value is over %u bytes", BULLA_CONF_MAX_TEXT);
    for (size_t i = 0; i < writer.len; i++)
        if ((uint8_t)out[i] < 0x20 || out[i] == 0x7F)
            return bulla_conf_fail_at(call, place, "a control character in a value");
    out[writer.len] = '\0';
    return BULLA_OK;
}

static bulla_status text_copy(bulla_call *call, bulla_view text, char **out_copy)
{
    void *copy = NULL;
    BULLA_TRY(bulla_alloc(call, text.len + 1, &copy));
    bulla_copy(copy, text.data, text.len);
    *out_copy = copy;
    return BULLA_OK;
}

/* What may be shown of a secret: the names of variables, and nothing that stands there itself. */
static bool is_one_variable(bulla_view written)
{
    return written.len > 3 && written.data[0] == '$' && written.data[1] == '{' &&
           variable_len(bulla_view_of(written.data + 2, written.len - 2)) == written.len - 3;
}

static bulla_status secret_put(bulla_call *call, bulla_conf_value *value, const char *text, bulla_view written)
{
    BULLA_TRY(bulla_secret_copy(call, bulla_view_text(text), &value->secret));
    return text_copy(call, is_one_variable(written) ? written : bulla_view_text("********"), &value->written);
}

static bulla_status item_put(bulla_call *call, bulla_conf_value *value, const char *text, bulla_view written)
{
    BULLA_TRY(text_copy(call, bulla_view_text(text), &value->items[value->num_items]));
    BULLA_TRY(text_copy(call, written, &value->items_written[value->num_items]));
    value->num_items++;
    return BULLA_OK;
}

static bulla_status store(bulla_call *call, bulla_conf_kind kind, bulla_conf_value *value, const char *text,
                          bulla_view written)
{
    if (kind == BULLA_CONF_SECRET) return secret_put(call, value, text, written);
    if (kind == BULLA_CONF_LIST) return item_put(call, value, text, written);
    BULLA_TRY(text_copy(call, bulla_view_text(text), &value->text));
    return text_copy(call, written, &value->written);
}

bulla_status bulla_conf_value_put(bulla_conf *conf, bulla_call *call, size_t index, bulla_view written, bool substitute,
                                  const bulla_conf_place *place)
{
    const bulla_conf_field *field = &conf->fields[index];
    bulla_conf_value *value = &conf->values[index];
    BULLA_WIPED(char, text, BULLA_CONF_MAX_TEXT + 1);
    if (written.len > BULLA_CONF_MAX_TEXT)
        return bulla_conf_fail_at(call, place, "%s: over %u bytes", field->name, BULLA_CONF_MAX_TEXT);
    BULLA_TRY(expand(call, written, substitute, place, text));
    BULLA_TRY(kind_check(field, call, text, place, &value->number));
    if (value->num_items == BULLA_CONF_MAX_ITEMS)
        return bulla_conf_fail_at(call, place, "%s: more than %u items", field->name, BULLA_CONF_MAX_ITEMS);
    BULLA_TRY(store(call, field->kind, value, text, written));
    if (value->is_set) return BULLA_OK; /* a list stands where its first line stands */
    value->is_set = true;
    value->source = place->source;
    value->line = place->line;
    value->column = place->column;
    return BULLA_OK;
}

void bulla_conf_value_done(bulla_conf *conf, size_t index)
{
    bulla_conf_value *value = &conf->values[index];
    bulla_free(conf->env, value->text);
    bulla_free(conf->env, value->written);
    bulla_secret_unref(value->secret);
    for (size_t i = 0; i < BULLA_CONF_MAX_ITEMS; i++) { /* all: an item may be half made */
        bulla_free(conf->env, value->items[i]);
        bulla_free(conf->env, value->items_written[i]);
    }
    memset(value, 0, sizeof *value);
}
