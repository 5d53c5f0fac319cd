/* SPDX-License-Identifier: Apache-2.0 */
/* What a sealed column is bound to (spec/keystore.md, Sealed columns). */
#include "keystore/inside.h"

static bulla_view id_view(const uint8_t id[BULLA_ID_LEN])
{
    return bulla_view_of(id, BULLA_ID_LEN);
}

static bulla_writer bind_start(uint8_t *out, size_t cap, const char *purpose)
{
    bulla_writer writer = bulla_writer_of(out, cap);
    bulla_write_u16(&writer, 0); /* no encoded context starts like this */
    bulla_write_view16(&writer, bulla_view_text(purpose));
    return writer;
}

bulla_view bulla_bind_version(const uint8_t store_id[BULLA_ID_LEN], const bulla_key_row *row, uint32_t version,
                              uint8_t out[BULLA_BIND_LEN])
{
    bulla_writer writer = bind_start(out, BULLA_BIND_LEN, "key version");
    bulla_write_view16(&writer, id_view(store_id));
    bulla_write_view16(&writer, id_view(row->id));
    bulla_write_u32(&writer, version);
    bulla_write_u16(&writer, (uint16_t)row->type);
    bulla_write_u16(&writer, (uint16_t)row->usage);
    return bulla_view_of(out, writer.len);
}

bulla_view bulla_bind_import(const uint8_t store_id[BULLA_ID_LEN], const uint8_t key_id[BULLA_ID_LEN],
                             int64_t expires_s, uint8_t out[BULLA_BIND_LEN])
{
    bulla_writer writer = bind_start(out, BULLA_BIND_LEN, "import key");
    bulla_write_view16(&writer, id_view(store_id));
    bulla_write_view16(&writer, id_view(key_id));
    bulla_write_u64(&writer, (uint64_t)expires_s);
    return bulla_view_of(out, writer.len);
}

bulla_view bulla_bind_dek(const uint8_t dek_id[BULLA_ID_LEN], bulla_view context, uint8_t *out)
{
    bulla_writer writer = bind_start(out, BULLA_BIND_LEN + context.len, "data key");
    bulla_write_view16(&writer, id_view(dek_id));
    bulla_write_view16(&writer, context);
    return bulla_view_of(out, writer.len);
}
