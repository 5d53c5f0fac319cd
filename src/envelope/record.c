/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/record.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "crypto/rand.h"

#define HEAD_LEN 21u /* version, key id, key version: the authenticated part of the header (spec/record.md, Layout) */
#define AAD_ON_STACK 1024u
#define REWRAP_MAX 64u

_Static_assert(HEAD_LEN == BULLA_RECORD_NONCE_AT && HEAD_LEN + BULLA_NONCE_LEN == BULLA_RECORD_HEADER,
               "the header is head and nonce");
_Static_assert(BULLA_RECORD_HEADER + BULLA_TAG_LEN == BULLA_RECORD_OVERHEAD, "the overhead is header and tag");

/* Bound bytes and head in one piece, on the stack unless they are long. */
typedef struct joined_aad {
    bulla_view bytes;
    const bulla_env *env;
    void *heap; /* NULL: nothing to free */
    uint8_t stack[AAD_ON_STACK];
} joined_aad;

static void joined_aad_done(joined_aad *joined)
{
    bulla_free(joined->env, joined->heap);
}

/* The compiler is told not to zero it first: that would cost as much as the cipher does on a short record. */
#define JOINED_AAD __attribute__((cleanup(joined_aad_done), uninitialized)) joined_aad

/* AAD = bound ‖ head (spec/record.md, Sealing, 3). Sets every member even when it fails. */
static inline bulla_status aad_join(joined_aad *joined, bulla_call *call, bulla_view bound, const uint8_t *head)
{
    joined->heap = NULL;
    joined->env = bulla_env_of(call);
    joined->bytes = bulla_view_of(head, HEAD_LEN);
    if (bound.len == 0) return BULLA_OK;
    if (bound.len > SIZE_MAX - HEAD_LEN) return bulla_fail(call, BULLA_ELIMIT, "too much is bound to a record");
    uint8_t *out = joined->stack;
    if (bound.len + HEAD_LEN > sizeof joined->stack) {
        BULLA_TRY(bulla_alloc(call, bound.len + HEAD_LEN, &joined->heap));
        out = joined->heap;
    }
    memcpy(out, bound.data, bound.len);
    memcpy(out + bound.len, head, HEAD_LEN);
    joined->bytes = bulla_view_of(out, bound.len + HEAD_LEN);
    return BULLA_OK;
}

/* spec/record.md, Opening, 1 to 3. The version comes before the length: another version may be shorter. */
static inline bulla_status shape_check(bulla_call *call, bulla_view record, bulla_status malformed)
{
    if (record.len != 0 && record.data[0] != BULLA_RECORD_VERSION)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "a record of version %u: only version %u can be read; a newer library may know it",
                          (unsigned)record.data[0], BULLA_RECORD_VERSION);
    if (record.len < BULLA_RECORD_OVERHEAD)
        return bulla_fail(call, malformed, "a record has at least %u bytes, not %zu: it was cut short",
                          BULLA_RECORD_OVERHEAD, record.len);
    if (record.len - BULLA_RECORD_OVERHEAD > BULLA_MAX_RECORD)
        return bulla_fail(call, malformed, "a record holds at most %u bytes", BULLA_MAX_RECORD);
    return BULLA_OK;
}

static bulla_status wrong_key(bulla_call *call, bulla_view record)
{
    char id[2 * BULLA_RECORD_ID_LEN + 1];
    bulla_hex_encode(bulla_view_of(record.data + 1, BULLA_RECORD_ID_LEN), id);
    return bulla_fail(call, BULLA_ENOKEY, "the record was sealed under key %s version %u, which is not the key given",
                      id, bulla_get_u32(record.data + 1 + BULLA_RECORD_ID_LEN));
}

/* spec/record.md, Opening, 4. Neither field is secret. */
static inline bool is_sealed_under(const bulla_record_key *key, bulla_view record)
{
    return memcmp(record.data + 1, key->id, sizeof key->id) == 0 &&
           bulla_get_u32(record.data + 1 + BULLA_RECORD_ID_LEN) == key->version;
}

bulla_status bulla_record_header_decode(bulla_call *call, bulla_view record, bulla_record_header *out_header)
{
    BULLA_TRY(shape_check(call, record, BULLA_EFORMAT));
    memcpy(out_header->id, record.data + 1, sizeof out_header->id);
    out_header->version = bulla_get_u32(record.data + 1 + sizeof out_header->id);
    return BULLA_OK;
}

bulla_status bulla_record_seal(const bulla_record_key *key, bulla_call *call, bulla_view aad, bulla_view plaintext,
                               uint8_t *out)
{
    if (BULLA_UNLIKELY(plaintext.len > BULLA_MAX_RECORD))
        return bulla_fail(call, BULLA_ELIMIT, "a record holds at most %u bytes, not %zu: encrypt a message instead",
                          BULLA_MAX_RECORD, plaintext.len);
    uint8_t header[BULLA_RECORD_HEADER];
    header[0] = BULLA_RECORD_VERSION;
    memcpy(header + 1, key->id, sizeof key->id);
    bulla_put_u32(header + 1 + sizeof key->id, key->version);
    BULLA_TRY(bulla_rand(call, header + HEAD_LEN, BULLA_NONCE_LEN));
    JOINED_AAD joined;
    BULLA_TRY(aad_join(&joined, call, aad, header));
    bulla_status status = bulla_aead_seal(key->aead, call, header + HEAD_LEN, joined.bytes, plaintext,
                                          out + sizeof header, out + sizeof header + plaintext.len);
    if (BULLA_UNLIKELY(status != BULLA_OK)) {
        bulla_wipe(out, plaintext.len + BULLA_RECORD_OVERHEAD);
        return status;
    }
    memcpy(out, header, sizeof header);
    return BULLA_OK;
}

bulla_status bulla_record_open(const bulla_record_key *key, bulla_call *call, bulla_view aad, bulla_view record,
                               uint8_t *out)
{
    BULLA_TRY(shape_check(call, record, BULLA_EINTEGRITY));
    if (BULLA_UNLIKELY(!is_sealed_under(key, record))) return wrong_key(call, record);
    JOINED_AAD joined;
    BULLA_TRY(aad_join(&joined, call, aad, record.data));
    size_t len = record.len - BULLA_RECORD_OVERHEAD;
    const uint8_t *ciphertext = record.data + BULLA_RECORD_HEADER;
    return bulla_aead_open(key->aead, call, record.data + HEAD_LEN, joined.bytes, bulla_view_of(ciphertext, len),
                           ciphertext + len, out);
}

bulla_status bulla_record_rewrap(const bulla_record_key *from, const bulla_record_key *to, bulla_call *call,
                                 bulla_view aad, bulla_view record, uint8_t *out)
{
    BULLA_TRY(shape_check(call, record, BULLA_EINTEGRITY));
    if (record.len > BULLA_RECORD_OVERHEAD + REWRAP_MAX)
        return bulla_fail(call, BULLA_ELIMIT, "only records of up to %u bytes of plaintext are wrapped again",
                          REWRAP_MAX);
    BULLA_WIPED(uint8_t, plaintext, REWRAP_MAX);
    BULLA_TRY(bulla_record_open(from, call, aad, record, plaintext));
    return bulla_record_seal(to, call, aad, bulla_view_of(plaintext, record.len - BULLA_RECORD_OVERHEAD), out);
}
