/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore/container.h"

#define MAGIC "BULLABK"
#define FORMAT_DIGIT '1'
#define FORMAT 1u
#define END_CONTENT (BULLA_CONTAINER_END - BULLA_CONTAINER_HEAD)

_Static_assert(END_CONTENT == BULLA_CONTAINER_HEAD && BULLA_CONTAINER_START == BULLA_CONTAINER_HEAD,
               "start, head and end are gathered alike");

void bulla_container_start(uint8_t out[BULLA_CONTAINER_START])
{
    bulla_writer writer = bulla_writer_of(out, BULLA_CONTAINER_START);
    bulla_write_view(&writer, bulla_view_text(MAGIC));
    bulla_write_u8(&writer, FORMAT_DIGIT);
    bulla_write_u16(&writer, FORMAT);
}

void bulla_container_head(bulla_part part, uint64_t len, uint8_t out[BULLA_CONTAINER_HEAD])
{
    bulla_writer writer = bulla_writer_of(out, BULLA_CONTAINER_HEAD);
    bulla_write_u16(&writer, (uint16_t)part);
    bulla_write_u64(&writer, len);
}

void bulla_container_end(uint16_t num_parts, uint64_t num_bytes, uint8_t out[BULLA_CONTAINER_END])
{
    bulla_container_head(BULLA_PART_END, END_CONTENT, out);
    bulla_writer writer = bulla_writer_of(out + BULLA_CONTAINER_HEAD, END_CONTENT);
    bulla_write_u16(&writer, num_parts);
    bulla_write_u64(&writer, num_bytes);
}

/* --- reading --- */

static bulla_status start_read(bulla_container *self, bulla_call *call)
{
    bulla_reader reader = bulla_reader_of(bulla_view_of(self->head, BULLA_CONTAINER_START));
    if (!bulla_view_is(bulla_read_view(&reader, sizeof MAGIC - 1), MAGIC))
        return bulla_fail(call, BULLA_EFORMAT, "this is not the content of a backup");
    if (bulla_read_u8(&reader) != FORMAT_DIGIT || bulla_read_u16(&reader) != FORMAT)
        return bulla_fail(call, BULLA_EUNSUPPORTED, "the backup is of a later format: use the program that made it");
    self->started = true;
    return BULLA_OK;
}

static bulla_status order_check(const bulla_container *self, bulla_call *call, uint16_t type, uint64_t len)
{
    uint16_t expected = self->part == BULLA_PART_ROTATION ? (uint16_t)BULLA_PART_END : (uint16_t)(self->part + 1);
    if (type != expected)
        return bulla_fail(call, BULLA_EFORMAT, "part %zu of the backup is of type %u instead of %u",
                          self->num_parts + 1, type, expected);
    bool small = type == BULLA_PART_MANIFEST || type == BULLA_PART_CONFIG;
    if ((small && len > BULLA_MAX_PART) || (type == BULLA_PART_END && len != END_CONTENT) || len > INT64_MAX)
        return bulla_fail(call, BULLA_EFORMAT, "part %zu of the backup cannot have %llu bytes", self->num_parts + 1,
                          (unsigned long long)len);
    return BULLA_OK;
}

static bulla_status head_read(bulla_container *self, bulla_call *call)
{
    bulla_reader reader = bulla_reader_of(bulla_view_of(self->head, BULLA_CONTAINER_HEAD));
    uint16_t type = bulla_read_u16(&reader);
    uint64_t len = bulla_read_u64(&reader);
    BULLA_TRY(order_check(self, call, type, len));
    self->part = (bulla_part)type;
    self->left = len;
    self->inside = true;
    if (self->part == BULLA_PART_END || len != 0) return BULLA_OK;
    self->inside = false;
    self->num_parts++;
    return self->visit(self->arg, call, self->part, (bulla_view){NULL, 0});
}

static bulla_status end_read(bulla_container *self, bulla_call *call)
{
    bulla_reader reader = bulla_reader_of(bulla_view_of(self->head, END_CONTENT));
    uint16_t num_parts = bulla_read_u16(&reader);
    uint64_t num_bytes = bulla_read_u64(&reader);
    if (num_parts != self->num_parts || num_bytes != self->offset - BULLA_CONTAINER_END)
        return bulla_fail(call, BULLA_EFORMAT, "the end of the backup does not fit what came before it");
    self->ended = true;
    return BULLA_OK;
}

/* Gathers a start, a head or an end, which may come in pieces. */
static bulla_status gather(bulla_container *self, bulla_call *call, bulla_reader *reader)
{
    size_t want = BULLA_CONTAINER_HEAD - self->head_len;
    if (want > reader->rest.len) want = reader->rest.len;
    bulla_view piece = bulla_read_view(reader, want);
    bulla_copy(self->head + self->head_len, piece.data, piece.len);
    self->head_len += piece.len;
    self->offset += piece.len;
    if (self->head_len < BULLA_CONTAINER_HEAD) return BULLA_OK;
    self->head_len = 0;
    if (!self->started) return start_read(self, call);
    return self->inside ? end_read(self, call) : head_read(self, call);
}

static bulla_status content(bulla_container *self, bulla_call *call, bulla_reader *reader)
{
    bulla_view piece = bulla_read_view(reader, self->left < reader->rest.len ? (size_t)self->left : reader->rest.len);
    self->offset += piece.len;
    self->left -= piece.len;
    if (self->left == 0) {
        self->inside = false;
        self->num_parts++;
    }
    return self->visit(self->arg, call, self->part, piece);
}

bulla_status bulla_container_read(bulla_container *container, bulla_call *call, bulla_view bytes)
{
    bulla_reader reader = bulla_reader_of(bytes);
    while (reader.rest.len != 0) {
        if (container->ended) return bulla_fail(call, BULLA_EFORMAT, "bytes are left over after the end of the backup");
        bool in_content = container->inside && container->part != BULLA_PART_END;
        BULLA_TRY(in_content ? content(container, call, &reader) : gather(container, call, &reader));
    }
    return BULLA_OK;
}

bulla_status bulla_container_finish(const bulla_container *container, bulla_call *call)
{
    return container->ended ? BULLA_OK : bulla_fail(call, BULLA_EFORMAT, "the backup ends before its end");
}
