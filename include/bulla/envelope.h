/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages: the AWS Encryption SDK message format, version 2, for files, objects and streams of any size in constant
 * memory. One data key per message, wrapped once for each recipient; any one recipient opens it. What Bulla writes,
 * every implementation of the format reads, and the reverse (docs/guide/interop.md).
 *
 * Three ways in: a buffer at once (bulla_encrypt, bulla_decrypt), a stream fed or drained piece by piece
 * (bulla_stream_*), a source copied to a sink with several threads (bulla_encrypt_copy, bulla_decrypt_copy).
 *
 * No byte of plaintext leaves before the frame it lies in is authenticated. What a stream has released is genuine but
 * may be the beginning of something longer until bulla_stream_finish says BULLA_OK: keep it aside until then.
 */
#ifndef BULLA_ENVELOPE_H
#define BULLA_ENVELOPE_H

#include "bulla/provider.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BULLA_SUITE_COMMIT 0x0478u        /* AES-256-GCM, HKDF-SHA-512, key commitment */
#define BULLA_SUITE_COMMIT_SIGNED 0x0578u /* the same, and an ECDSA P-384 signature at the end */

#define BULLA_MAX_FRAME (64u << 20) /* bytes of plaintext in a frame that Bulla writes or reads */

typedef struct bulla_encrypt_options {
    size_t size;                       /* sizeof(bulla_encrypt_options) */
    bulla_provider *const *recipients; /* 1 to BULLA_MAX_RECIPIENTS; each wraps the data key */
    size_t num_recipients;
    bulla_context *context; /* bound to everything; may be NULL */
    uint16_t suite;         /* 0: BULLA_SUITE_COMMIT; or BULLA_SUITE_COMMIT_SIGNED */
    uint32_t frame_len;     /* bytes of plaintext in a frame; 0: the measured default; at most BULLA_MAX_FRAME */
    unsigned threads;       /* for bulla_encrypt_copy: 0 and 1 mean one */

    /* N of M: the message is made when this many recipients have wrapped its data key; those whose store does not
     * answer (classes RETRY and UNSURE, a share of the deadline, EAUTHN, EUNTRUSTED) are written down as owed. 0: all
     * must. */
    size_t min_recipients;
    const char *const *names; /* of the recipients, their addresses as a rule; needed when some may be owed */
    size_t *num_owed;         /* how many are; may be NULL */
} bulla_encrypt_options;

/* The provider of an entry that stands for a recipient which is owed; its info is the recipient's name. */
#define BULLA_OWED_PROVIDER "bulla-owed"

typedef struct bulla_decrypt_options {
    size_t size;                       /* sizeof(bulla_decrypt_options) */
    bulla_provider *const *recipients; /* tried in the order of the message's wrapped keys, each on what it matches */
    size_t num_recipients;
    const bulla_pair *require; /* pairs that must be bound to the message, written in it or not, else EINTEGRITY */
    size_t num_require;
    bool legacy;         /* open messages of version 1 (suites without key commitment) too */
    bool release_signed; /* let bulla_stream_* release frames of a signed message before its signature is checked */
    unsigned threads;    /* for bulla_decrypt_copy: 0 and 1 mean one */
    size_t *likeliest;   /* in: the recipient that is asked first; out: the one that opened the message. May be NULL */
} bulla_decrypt_options;

/* Bytes the library allocated for the caller: message, plaintext, header. */
typedef struct bulla_bytes {
    uint8_t *data;
    size_t len;
    const bulla_env *env; /* whose allocator */
} bulla_bytes;

/* bulla_bytes_done wipes and frees; the struct is empty afterwards. Accepts an empty one. */
BULLA_API void bulla_bytes_done(bulla_bytes *bytes);

/* bulla_encrypt makes one message of `plaintext`. Ownership: *out_message is the caller's. */
BULLA_API BULLA_MUST_USE bulla_status bulla_encrypt(bulla_call *call, const bulla_encrypt_options *options,
                                                    bulla_view plaintext, bulla_bytes *out_message);

/* bulla_decrypt opens one whole message; signed ones are verified before anything is returned. ENORECIPIENT when none
 * of the given keys is named in it; EDESTROYED, ESTATE or EUNAVAIL when one is named but cannot be used now. */
BULLA_API BULLA_MUST_USE bulla_status bulla_decrypt(bulla_call *call, const bulla_decrypt_options *options,
                                                    bulla_view message, bulla_bytes *out_plaintext);

/* --- streams: one thread at a time --- */

/* bulla_encrypt_open starts a message: the data key is made and wrapped here. bulla_decrypt_open starts reading one:
 * the store is asked when the header has arrived. The options' arrays are copied. */
BULLA_API BULLA_MUST_USE bulla_status bulla_encrypt_open(bulla_call *call, const bulla_encrypt_options *options,
                                                         bulla_stream **out_stream);
BULLA_API BULLA_MUST_USE bulla_status bulla_decrypt_open(bulla_call *call, const bulla_decrypt_options *options,
                                                         bulla_stream **out_stream);

/* bulla_stream_write pushes input: consumes what it can of `in` and produces what it can into `out` (capacity `cap`).
 * Call again with the rest until *out_consumed covers `in`. Works without copying when `in` and `out` hold whole
 * frames. */
BULLA_API BULLA_MUST_USE bulla_status bulla_stream_write(bulla_stream *stream, bulla_call *call, bulla_view in,
                                                         size_t *out_consumed, uint8_t *out, size_t cap,
                                                         size_t *out_len);

/* bulla_stream_finish says that the input has ended. Call it until *out_done: it produces the rest and, for decryption,
 * the verdict: BULLA_OK only when the message was whole and genuine. */
BULLA_API BULLA_MUST_USE bulla_status bulla_stream_finish(bulla_stream *stream, bulla_call *call, uint8_t *out,
                                                          size_t cap, size_t *out_len, bool *out_done);

/* Where bytes come from: fills `buf` with 1 to `len` bytes and sets *out_len; 0 means the end. Copies by several
 * threads call it from each of them, but never twice at once; `call` is then the thread's own, which a cancellation
 * reaches between chunks: a source or sink that may wait long also looks at the call that the program gave. */
typedef struct bulla_source {
    bulla_status (*read)(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len);
    void *arg;
} bulla_source;

/* Where bytes go: takes all of `bytes`. `offset` counts from 0; calls come in order unless `random_access`, when they
 * may come in any order and from several threads. */
typedef struct bulla_sink {
    bulla_status (*write)(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes);
    void *arg;
    bool random_access;
} bulla_sink;

/* bulla_stream_read pulls output: reads `source` as needed and fills `buf`; *out_len 0 is the end, reached only when
 * the message was whole and genuine. Do not mix with bulla_stream_write on one stream. */
BULLA_API BULLA_MUST_USE bulla_status bulla_stream_read(bulla_stream *stream, bulla_call *call,
                                                        const bulla_source *source, uint8_t *buf, size_t cap,
                                                        size_t *out_len);

/* bulla_stream_context returns the message's context once the header is known, else NULL. Borrowed. */
BULLA_API bulla_context *bulla_stream_context(bulla_stream *stream);

/* bulla_stream_close releases the stream at any point. Accepts NULL. */
BULLA_API void bulla_stream_close(bulla_stream *stream);

/* bulla_encrypt_copy and bulla_decrypt_copy move a whole source into a sink. On failure the sink has received a part
 * that must be thrown away. A signed message is not released before its signature is checked unless release_signed. */
BULLA_API BULLA_MUST_USE bulla_status bulla_encrypt_copy(bulla_call *call, const bulla_encrypt_options *options,
                                                         const bulla_source *source, const bulla_sink *sink);
BULLA_API BULLA_MUST_USE bulla_status bulla_decrypt_copy(bulla_call *call, const bulla_decrypt_options *options,
                                                         const bulla_source *source, const bulla_sink *sink);

/* --- headers: read and rewrapped without touching the body --- */

typedef struct bulla_message_info {
    unsigned version; /* 1 or 2 */
    uint16_t suite;
    const char *suite_name; /* such as "AES-256-GCM, HKDF-SHA-512, key commitment" */
    bool committing, is_signed, framed;
    bulla_view message_id;
    bulla_context *context; /* borrowed; NULL when empty */
    const bulla_wrapped *recipients;
    size_t num_recipients;
    uint32_t frame_len; /* 0 when not framed */
    size_t header_len;  /* bytes before the body */
} bulla_message_info;

typedef struct bulla_message bulla_message;

/* bulla_message_open reads one header from `source` and needs no key: what it says is not authenticated. Reads no byte
 * beyond the header. Any version; EFORMAT says where it went wrong. */
BULLA_API BULLA_MUST_USE bulla_status bulla_message_open(bulla_call *call, const bulla_source *source,
                                                         bulla_message **out_message);

/* bulla_message_info_get returns what the header says. Borrowed for the life of the message. */
BULLA_API const bulla_message_info *bulla_message_info_get(const bulla_message *message);

/* bulla_message_close releases it. Accepts NULL. */
BULLA_API void bulla_message_close(bulla_message *message);

typedef struct bulla_rewrap_options {
    size_t size;                 /* sizeof(bulla_rewrap_options) */
    bulla_provider *const *open; /* any of these opens the data key */
    size_t num_open;
    bulla_provider *const *renew; /* wrapped keys that one of these matches are wrapped again by it */
    size_t num_renew;
    bulla_provider *const *add; /* recipients to add */
    size_t num_add;
    bulla_provider *const *drop; /* wrapped keys that one of these matches are left out */
    size_t num_drop;
    const bulla_pair *require; /* pairs that must be bound: those that the header does not write must be among them */
    size_t num_require;
    const char *const *add_names;  /* of `add`: a recipient of this name that is owed is settled; may be NULL */
    const char *const *drop_names; /* of `drop`: one that is owed is given up; may be NULL */
    bool keep_owed; /* an owed recipient whose store still does not answer stays owed; fails when all do */
} bulla_rewrap_options;

/* bulla_message_rewrap authenticates the header and makes a new one for the same body: same message id, data key,
 * context and frames. Wrapped keys that nobody renews or drops stay as they are. ESTATE for a signed message, whose
 * signature covers the header: encrypt it again. EINTEGRITY when a required pair is not bound to the message, or one
 * that is was neither written nor given. EINVAL when no recipient would be left. */
BULLA_API BULLA_MUST_USE bulla_status bulla_message_rewrap(bulla_message *message, bulla_call *call,
                                                           const bulla_rewrap_options *options,
                                                           bulla_bytes *out_header);

#ifdef __cplusplus
}
#endif

#endif
