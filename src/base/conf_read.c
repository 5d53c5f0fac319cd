/* SPDX-License-Identifier: Apache-2.0 */
/* The text as libyaml's events, walked along the table. libyaml only splits; what is allowed is decided here. */
#include "base/conf_impl.h"
#include "base/nearest.h"

#include <yaml.h>

#define MAX_NAME 96u   /* bytes of a name with its section */
#define MAX_NEAREST 32 /* names compared for a suggestion */

typedef struct reader {
    bulla_conf *conf;
    bulla_call *call;
    bulla_view text;
    yaml_parser_t parser;
} reader;

/* A credential may stand in the text: what libyaml copied of it is wiped before it is freed. */
static void buffer_wipe(const uint8_t *start, const uint8_t *end)
{
    union {
        const uint8_t *constant;
        void *bytes;
    } buffer = {start};
    if (start != NULL) bulla_wipe(buffer.bytes, (size_t)(end - start));
}

static void reader_done(reader *read)
{
    buffer_wipe(read->parser.buffer.start, read->parser.buffer.end);
    buffer_wipe(read->parser.raw_buffer.start, read->parser.raw_buffer.end);
    yaml_parser_delete(&read->parser);
}

static void event_done(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT) bulla_wipe(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

#define EVENT_AUTO __attribute__((cleanup(event_done)))

static bulla_conf_place place_of(const reader *read, const yaml_mark_t *mark)
{
    return (bulla_conf_place){read->conf->source, mark->line + 1, mark->column + 1, read->conf->block};
}

static bulla_status fail_mark(reader *read, const yaml_mark_t *mark, const char *why, const char *what)
{
    const bulla_conf_place place = place_of(read, mark);
    return bulla_conf_fail_at(read->call, &place, "%s%s", why, what);
}

/* What cannot be read as text: libyaml gives its offset in bytes and no mark. Columns are characters, as in marks. */
static bulla_conf_place place_at(const reader *read, size_t offset)
{
    bulla_conf_place place = {read->conf->source, 1, 1, read->conf->block};
    size_t start = read->text.len >= 3 && memcmp(read->text.data, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (size_t i = start; i < offset && i < read->text.len; i++) {
        const uint8_t byte = read->text.data[i];
        const bool lone_cr = byte == '\r' && (i + 1 == read->text.len || read->text.data[i + 1] != '\n');
        if (byte == '\n' || lone_cr) {
            place.line++;
            place.column = 1;
        } else if ((byte & 0xC0) != 0x80) { /* not a continuation of a character */
            place.column++;
        }
    }
    return place;
}

static bulla_status fail_parse(reader *read)
{
    const yaml_parser_t *parser = &read->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return bulla_fail(read->call, BULLA_ENOMEM, "not enough memory for the configuration");
    const char *why = parser->problem == NULL ? "not YAML" : parser->problem;
    const bulla_conf_place place = parser->error == YAML_READER_ERROR ? place_at(read, parser->problem_offset)
                                                                      : place_of(read, &parser->problem_mark);
    return bulla_conf_fail_at(read->call, &place, "%s", why);
}

/* The next event, without what this language does not have. */
static bulla_status next(reader *read, yaml_event_t *event)
{
    if (!yaml_parser_parse(&read->parser, event)) return fail_parse(read);
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
    } else if (event->type == YAML_MAPPING_START_EVENT) {
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
    }
    if (event->type == YAML_ALIAS_EVENT || anchor != NULL)
        return fail_mark(read, &event->start_mark, "anchors and aliases are not allowed here", "");
    if (tag != NULL) return fail_mark(read, &event->start_mark, "tags are not allowed here", "");
    return BULLA_OK;
}

static bulla_view scalar(const yaml_event_t *event)
{
    return bulla_view_of(event->data.scalar.value, event->data.scalar.length);
}

/* Nothing was written after the colon. */
static bool is_blank(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT && event->data.scalar.length == 0 &&
           event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* The names that may stand at one level, for a suggestion. `prefix` is "" or "section.". */
static size_t names_at(const bulla_conf *conf, const char *prefix, char names[][MAX_NAME])
{
    size_t num = 0, prefix_len = strlen(prefix);
    for (size_t i = 0; i < conf->num_fields && num < MAX_NEAREST; i++) {
        const char *name = conf->fields[i].name;
        if (strncmp(name, prefix, prefix_len) != 0) continue;
        size_t len = strcspn(name + prefix_len, ".");
        if (num != 0 && strncmp(names[num - 1], name + prefix_len, len) == 0 && names[num - 1][len] == '\0') continue;
        memcpy(names[num], name + prefix_len, len);
        names[num++][len] = '\0';
    }
    return num;
}

static bulla_status fail_unknown(reader *read, const yaml_event_t *event, const char *prefix)
{
    char names[MAX_NEAREST][MAX_NAME];
    const char *known[MAX_NEAREST];
    size_t num = names_at(read->conf, prefix, names);
    for (size_t i = 0; i < num; i++)
        known[i] = names[i];
    char word[41] = "";
    bulla_view name = scalar(event);
    memcpy(word, name.data, name.len < 40 ? name.len : 40);
    const char *nearest = bulla_word_nearest(word, known, num);
    const bulla_conf_place place = place_of(read, &event->start_mark);
    return bulla_conf_fail_at(read->call, &place, "unknown name \"%s%s\"%s%s%s%s", prefix, word,
                              nearest == NULL ? "" : "; did you mean \"", nearest == NULL ? "" : prefix,
                              nearest == NULL ? "" : nearest, nearest == NULL ? "" : "\"?");
}

static bulla_status list_read(reader *read, size_t index)
{
    for (;;) {
        EVENT_AUTO yaml_event_t event = {.type = YAML_NO_EVENT};
        BULLA_TRY(next(read, &event));
        if (event.type == YAML_SEQUENCE_END_EVENT) return BULLA_OK;
        if (event.type != YAML_SCALAR_EVENT)
            return fail_mark(read, &event.start_mark, read->conf->fields[index].name, ": an item must be text");
        const bulla_conf_place place = place_of(read, &event.start_mark);
        BULLA_TRY(bulla_conf_value_put(read->conf, read->call, index, scalar(&event), true, &place));
    }
}

static bulla_status field_read(reader *read, size_t index, const yaml_event_t *key)
{
    const bulla_conf_field *field = &read->conf->fields[index];
    if (read->conf->values[index].is_set) return fail_mark(read, &key->start_mark, field->name, " is there twice");
    EVENT_AUTO yaml_event_t event = {.type = YAML_NO_EVENT};
    BULLA_TRY(next(read, &event));
    const bulla_conf_place place = place_of(read, &event.start_mark);
    if (field->kind == BULLA_CONF_LIST && event.type == YAML_SEQUENCE_START_EVENT) {
        /* Marked first, so that an empty list counts as set. */
        bulla_conf_value *value = &read->conf->values[index];
        *value = (bulla_conf_value){.is_set = true, .source = place.source, .line = place.line, .column = place.column};
        return list_read(read, index);
    }
    if (is_blank(&event)) return fail_mark(read, &key->start_mark, field->name, " has no value");
    if (event.type != YAML_SCALAR_EVENT || field->kind == BULLA_CONF_LIST)
        return fail_mark(read, &event.start_mark, field->name,
                         field->kind == BULLA_CONF_LIST ? " must be a list" : " must be a single value");
    return bulla_conf_value_put(read->conf, read->call, index, scalar(&event), true, &place);
}

static bulla_status mapping_read(reader *read, const char *prefix);

static bulla_status fail_section(reader *read, const yaml_mark_t *mark, const char *prefix, const char *why)
{
    const bulla_conf_place place = place_of(read, mark);
    return bulla_conf_fail_at(read->call, &place, "section \"%.*s\" %s", (int)strlen(prefix) - 1, prefix, why);
}

static bulla_status section_read(reader *read, size_t index, const char *prefix, const yaml_event_t *key)
{
    if (read->conf->opened[index]) return fail_section(read, &key->start_mark, prefix, "is there twice");
    read->conf->opened[index] = true;
    EVENT_AUTO yaml_event_t event = {.type = YAML_NO_EVENT};
    BULLA_TRY(next(read, &event));
    if (is_blank(&event)) return BULLA_OK; /* a section whose values are all commented out */
    if (event.type != YAML_MAPPING_START_EVENT)
        return fail_section(read, &event.start_mark, prefix, "holds names and values, not a value");
    return mapping_read(read, prefix);
}

/* Named blocks, each read with the table that belongs to them. */
static bulla_status blocks_read(reader *read, size_t index, const yaml_event_t *key)
{
    bulla_conf *conf = read->conf;
    const char *name = conf->fields[index].name;
    if (conf->opened[index]) return fail_mark(read, &key->start_mark, name, " is there twice");
    conf->opened[index] = true;
    EVENT_AUTO yaml_event_t event = {.type = YAML_NO_EVENT};
    BULLA_TRY(next(read, &event));
    if (is_blank(&event)) return BULLA_OK;
    if (event.type != YAML_MAPPING_START_EVENT)
        return fail_mark(read, &event.start_mark, name, " holds named blocks: a name, and its settings below it");
    for (;;) {
        EVENT_AUTO yaml_event_t word = {.type = YAML_NO_EVENT}, start = {.type = YAML_NO_EVENT};
        bulla_conf *block = NULL;
        BULLA_TRY(next(read, &word));
        if (word.type == YAML_MAPPING_END_EVENT) return BULLA_OK;
        if (word.type != YAML_SCALAR_EVENT) return fail_mark(read, &word.start_mark, "a name must be text", "");
        const bulla_conf_place place = place_of(read, &word.start_mark);
        BULLA_TRY(bulla_conf_block_add(conf, read->call, index, scalar(&word), &place, &block));
        BULLA_TRY(next(read, &start));
        if (start.type != YAML_MAPPING_START_EVENT)
            return fail_mark(read, &start.start_mark, block->block, " holds names and values, not a value");
        read->conf = block;
        bulla_status status = mapping_read(read, "");
        read->conf = conf;
        BULLA_TRY(status);
    }
}

/* One name and what belongs to it. Depth is bounded by the table: a section is entered only if a field lies in it. */
static bulla_status entry_read(reader *read, const char *prefix, const yaml_event_t *key)
{
    char name[MAX_NAME + 1];
    bulla_view word = scalar(key);
    size_t prefix_len = strlen(prefix);
    if (prefix_len + word.len + 1 > MAX_NAME || memchr(word.data, '.', word.len) != NULL ||
        memchr(word.data, '\0', word.len) != NULL)
        return fail_unknown(read, key, prefix);
    memcpy(name, prefix, prefix_len);
    memcpy(name + prefix_len, word.data, word.len);
    size_t len = prefix_len + word.len;
    name[len] = '\0';
    for (size_t i = 0; i < read->conf->num_fields; i++) {
        const char *field = read->conf->fields[i].name;
        if (strcmp(field, name) == 0 && read->conf->fields[i].kind == BULLA_CONF_BLOCKS)
            return blocks_read(read, i, key);
        if (strcmp(field, name) == 0) return field_read(read, i, key);
        if (strncmp(field, name, len) != 0 || field[len] != '.') continue;
        memcpy(name + len, ".", 2);
        return section_read(read, i, name, key);
    }
    return fail_unknown(read, key, prefix);
}

static bulla_status mapping_read(reader *read, const char *prefix)
{
    for (;;) {
        EVENT_AUTO yaml_event_t key = {.type = YAML_NO_EVENT};
        BULLA_TRY(next(read, &key));
        if (key.type == YAML_MAPPING_END_EVENT) return BULLA_OK;
        if (key.type != YAML_SCALAR_EVENT) return fail_mark(read, &key.start_mark, "a name must be text", "");
        BULLA_TRY(entry_read(read, prefix, &key));
    }
}

static bulla_status document_read(reader *read)
{
    EVENT_AUTO yaml_event_t event = {.type = YAML_NO_EVENT};
    BULLA_TRY(next(read, &event));
    if (is_blank(&event)) return BULLA_OK;
    if (event.type != YAML_MAPPING_START_EVENT)
        return fail_mark(read, &event.start_mark, "a configuration is made of names and values, such as \"log:\"", "");
    return mapping_read(read, "");
}

static bulla_status stream_read(reader *read)
{
    unsigned num_documents = 0;
    for (;;) {
        EVENT_AUTO yaml_event_t event = {.type = YAML_NO_EVENT};
        BULLA_TRY(next(read, &event));
        if (event.type == YAML_STREAM_END_EVENT) return BULLA_OK;
        if (event.type != YAML_DOCUMENT_START_EVENT) continue; /* the stream's start, a document's end */
        if (event.data.document_start.version_directive != NULL ||
            event.data.document_start.tag_directives.start != event.data.document_start.tag_directives.end)
            return fail_mark(read, &event.start_mark, "directives are not allowed here", "");
        if (num_documents++ != 0) return fail_mark(read, &event.start_mark, "a second document begins here", "");
        BULLA_TRY(document_read(read));
    }
}

bulla_status bulla_conf_read(bulla_conf *conf, bulla_call *call, bulla_view text)
{
    __attribute__((cleanup(reader_done))) reader read = {.conf = conf, .call = call, .text = text};
    if (!yaml_parser_initialize(&read.parser))
        return bulla_fail(call, BULLA_ENOMEM, "not enough memory for the configuration");
    yaml_parser_set_encoding(&read.parser, YAML_UTF8_ENCODING);
    /* libyaml wants an address even for nothing. */
    yaml_parser_set_input_string(&read.parser, text.len == 0 ? (const uint8_t *)"" : text.data, text.len);
    return stream_read(&read);
}
