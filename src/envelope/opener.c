/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/opener.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/keys.h"
#include "envelope/sealer.h"

/* Members that the caller's struct does not reach are zero. */
static bulla_status options_get(bulla_call *call, const bulla_decrypt_options *options, bulla_decrypt_options *out)
{
    if (options == NULL || options->size == 0)
        return bulla_fail(call, BULLA_EINVAL, "bulla_decrypt_options.size is 0, set it to sizeof the struct");
    *out = (bulla_decrypt_options){0};
    memcpy(out, options, options->size < sizeof *out ? options->size : sizeof *out);
    bulla_keyring keyring = {out->recipients, out->num_recipients, NULL};
    return bulla_keyring_check(call, &keyring, 1, "to decrypt with");
}

static bulla_status opener_make(bulla_opener *opener, bulla_call *call, const bulla_decrypt_options *options)
{
    void *memory = NULL;
    opener->env = bulla_env_of(call);
    opener->legacy = options->legacy;
    opener->release_signed = options->release_signed;
    opener->threads = options->threads;
    opener->likeliest = options->likeliest;
    if (options->num_require != 0)
        BULLA_TRY(bulla_context_new_reserved(call, options->require, options->num_require, &opener->require));
    BULLA_TRY(bulla_alloc(call, options->num_recipients * sizeof(bulla_provider *), &memory));
    opener->recipients = memory;
    for (; opener->num_recipients < options->num_recipients; opener->num_recipients++)
        opener->recipients[opener->num_recipients] = bulla_provider_ref(options->recipients[opener->num_recipients]);
    return BULLA_OK;
}

bulla_status bulla_opener_init(bulla_opener *opener, bulla_call *call, const bulla_decrypt_options *options)
{
    bulla_decrypt_options copy;
    BULLA_AUTO(bulla_opener) made = {0};
    BULLA_TRY(options_get(call, options, &copy));
    BULLA_TRY(opener_make(&made, call, &copy));
    *opener = made;
    made = (bulla_opener){0};
    return BULLA_OK;
}

/* What this reader is not to open, whatever its keys. decrypt.md: the commitment policy, and the option that refuses
 * signed messages where their plaintext would be released before the signature is checked. */
static bulla_status policy_check(const bulla_opener *opener, bulla_call *call, const bulla_header *header)
{
    if (header->suite->version == 1 && !opener->legacy)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "a message of version 1 (%s) does not commit to its key; to open it all the same ask for "
                          "legacy messages (option legacy, --legacy)",
                          header->suite->name);
    if (header->suite->is_signed && !opener->release_signed)
        return bulla_fail(call, BULLA_EUNSUPPORTED,
                          "a signed message is not released piece by piece before its signature at the end is checked; "
                          "set release_signed and hold the output back, or use bulla_decrypt");
    if (header->frame_len > BULLA_MAX_FRAME)
        return bulla_fail(call, BULLA_ELIMIT, "the message has frames of %u bytes, at most %u are read",
                          (unsigned)header->frame_len, BULLA_MAX_FRAME);
    return BULLA_OK;
}

/* default-cmm.md, Decrypt Materials: the public key is there exactly when the message is signed. */
static bulla_status public_key_check(bulla_call *call, const bulla_header *header)
{
    bulla_view value;
    bool has_key = bulla_context_find(header->context, bulla_view_text(BULLA_CONTEXT_PUBLIC_KEY), &value);
    if (has_key == header->suite->is_signed) return BULLA_OK;
    return bulla_fail(call, BULLA_EFORMAT, "the message's suite is %s but its context has %s \"%s\"",
                      has_key ? "not signed" : "signed", has_key ? "a" : "no", BULLA_CONTEXT_PUBLIC_KEY);
}

static bulla_status requirement_failed(bulla_call *call, bulla_pair pair)
{
    return bulla_fail(call, BULLA_EINTEGRITY, "the message is not bound to the required context \"%.*s=%.*s\"",
                      pair.key.len > 64 ? 64 : (int)pair.key.len, (const char *)pair.key.data,
                      pair.value.len > 64 ? 64 : (int)pair.value.len, (const char *)pair.value.data);
}

/* Two sorted lists of pairs without a common key become one context. */
static bulla_status context_join(bulla_call *call, const bulla_context *a, const bulla_context *b,
                                 bulla_context **out_context)
{
    size_t num_a = bulla_context_count(a), num_b = bulla_context_count(b);
    BULLA_AUTO(bulla_buffer) memory = {0};
    BULLA_TRY(bulla_buffer_reserve(&memory, call, (num_a + num_b) * sizeof(bulla_pair)));
    bulla_pair *pairs = (void *)memory.data;
    for (size_t i = 0; i < num_a; i++)
        pairs[i] = bulla_context_at(a, i);
    for (size_t i = 0; i < num_b; i++)
        pairs[num_a + i] = bulla_context_at(b, i);
    return bulla_context_new_reserved(call, pairs, num_a + num_b, out_context);
}

/* Those of `require` that are not written; the others must be written with the same value. */
static bulla_status unwritten_get(bulla_call *call, const bulla_context *require, const bulla_context *written,
                                  bulla_context **out_unwritten)
{
    size_t num_pairs = bulla_context_count(require), num_unwritten = 0;
    if (num_pairs == 0) return BULLA_OK;
    BULLA_AUTO(bulla_buffer) memory = {0};
    BULLA_TRY(bulla_buffer_reserve(&memory, call, num_pairs * sizeof(bulla_pair)));
    bulla_pair *pairs = (void *)memory.data;
    for (size_t i = 0; i < num_pairs; i++) {
        bulla_view value;
        bulla_pair pair = bulla_context_at(require, i);
        if (!bulla_context_find(written, pair.key, &value))
            pairs[num_unwritten++] = pair;
        else if (!bulla_view_equal(value, pair.value))
            return requirement_failed(call, pair);
    }
    if (num_unwritten == 0) return BULLA_OK;
    return bulla_context_new_reserved(call, pairs, num_unwritten, out_unwritten);
}

bulla_status bulla_binding_get(bulla_call *call, const bulla_context *require, bulla_context *written,
                               bulla_binding *out_binding)
{
    BULLA_AUTO(bulla_context) *unwritten = NULL;
    BULLA_AUTO(bulla_context) *context = NULL;
    BULLA_TRY(unwritten_get(call, require, written, &unwritten));
    if (unwritten != NULL)
        BULLA_TRY(context_join(call, written, unwritten, &context));
    else
        context = bulla_context_ref(written);
    *out_binding = (bulla_binding){BULLA_TAKE(context), BULLA_TAKE(unwritten)};
    return BULLA_OK;
}

void bulla_binding_done(bulla_binding *binding)
{
    bulla_context_unref(binding->context);
    bulla_context_unref(binding->unwritten);
    *binding = (bulla_binding){NULL, NULL};
}

static void body_set(bulla_body *body, const bulla_header *header)
{
    body->suite = header->suite;
    body->id_len = header->id.len;
    body->frame_len = header->frame_len;
    bulla_copy(body->id, header->id.data, header->id.len);
}

/* The header's tag, made with the data key. *out_may_be_wrong: the data key may be another one than the message's. A
 * message that commits tells before anything is decrypted (decrypt.md, Get the decryption materials), and what fails
 * after that is not its fault; one that does not commit has nothing but the tag. */
static bulla_status key_check(bulla_call *call, const bulla_header *header, const bulla_binding *binding,
                              const bulla_secret *dek, bulla_aead **out_aead, bool *out_may_be_wrong)
{
    uint8_t commitment[BULLA_COMMITMENT_LEN];
    BULLA_AUTO(bulla_aead) *aead = NULL;
    bool commits = bulla_suite_is_committing(header->suite);
    BULLA_TRY(bulla_message_key_derive(call, header->suite, header->id, dek, &aead, commitment));
    if (commits && !bulla_equal_ct(commitment, header->commitment.data, sizeof commitment)) {
        *out_may_be_wrong = true;
        return bulla_fail(call, BULLA_EINTEGRITY, "the message commits to another data key than the one it wraps");
    }
    bulla_status status = bulla_header_tag_check(aead, call, header, bulla_context_bytes(binding->unwritten));
    *out_may_be_wrong = status == BULLA_EINTEGRITY && !commits;
    if (status != BULLA_OK) return status;
    *out_aead = BULLA_TAKE(aead);
    return BULLA_OK;
}

static bulla_status unlock(bulla_call *call, const bulla_keyring *keyring, const bulla_header *header,
                           const bulla_binding *binding, bulla_secret **out_dek, bulla_aead **out_aead)
{
    BULLA_AUTO(bulla_opened) opened = {NULL, NULL, NULL};
    bool may_be_wrong = false;
    BULLA_TRY(bulla_keyring_open(call, keyring, header, binding->context, &opened));
    bulla_status status = key_check(call, header, binding, opened.dek, out_aead, &may_be_wrong);
    if (may_be_wrong) bulla_provider_forget(opened.provider, binding->context, opened.wrapped);
    if (status != BULLA_OK) return status;
    *out_dek = BULLA_TAKE(opened.dek);
    return BULLA_OK;
}

bulla_status bulla_header_unlock(bulla_call *call, const bulla_keyring *keyring, const bulla_header *header,
                                 const bulla_binding *binding, bulla_secret **out_dek, bulla_aead **out_aead)
{
    bulla_status status = unlock(call, keyring, header, binding, out_dek, out_aead);
    if (status != BULLA_EINTEGRITY || binding->unwritten == NULL) return status;
    return requirement_failed(call, bulla_context_at(binding->unwritten, 0));
}

static bulla_status header_open(bulla_opener *opener, bulla_call *call)
{
    BULLA_AUTO(bulla_binding) binding = {NULL, NULL};
    BULLA_AUTO(bulla_secret) *dek = NULL;
    bulla_header *header = &opener->header;
    BULLA_TRY(policy_check(opener, call, header));
    BULLA_TRY(public_key_check(call, header));
    BULLA_TRY(bulla_binding_get(call, opener->require, header->context, &binding));
    bulla_keyring keyring = {opener->recipients, opener->num_recipients, opener->likeliest};
    BULLA_TRY(bulla_header_unlock(call, &keyring, header, &binding, &dek, &opener->body.aead));
    opener->context = BULLA_TAKE(binding.context);
    body_set(&opener->body, header);
    if (!header->suite->is_signed) return BULLA_OK;
    BULLA_TRY(bulla_hasher_new(call, header->suite->sign_hash, &opener->hasher));
    return bulla_opener_hash(opener, call, bulla_buffer_view(&opener->bytes));
}

bulla_status bulla_opener_write(bulla_opener *opener, bulla_call *call, bulla_view in, size_t *out_consumed)
{
    size_t consumed = 0;
    while (!opener->is_ready && consumed < in.len) {
        size_t missing = opener->need > opener->bytes.len ? opener->need - opener->bytes.len : 1;
        size_t len = missing < in.len - consumed ? missing : in.len - consumed;
        BULLA_TRY(bulla_buffer_append(&opener->bytes, call, bulla_view_of(in.data + consumed, len), BULLA_MAX_HEADER));
        consumed += len;
        if (opener->bytes.len < opener->need) break;
        BULLA_TRY(bulla_header_decode(call, bulla_buffer_view(&opener->bytes), &opener->header, &opener->need));
        if (opener->bytes.len < opener->need) continue;
        BULLA_TRY(header_open(opener, call));
        opener->is_ready = true;
    }
    *out_consumed = consumed;
    return BULLA_OK;
}

bulla_status bulla_opener_hash(bulla_opener *opener, bulla_call *call, bulla_view bytes)
{
    return opener->hasher == NULL ? BULLA_OK : bulla_hasher_write(opener->hasher, call, bytes);
}

bulla_status bulla_opener_verify(bulla_opener *opener, bulla_call *call, bulla_view signature)
{
    const bulla_suite *suite = opener->body.suite;
    uint8_t digest[BULLA_HASH_MAX], point[BULLA_POINT_MAX];
    bulla_view text = {NULL, 0};
    size_t len = 0;
    if (!bulla_context_find(opener->context, bulla_view_text(BULLA_CONTEXT_PUBLIC_KEY), &text) ||
        !bulla_base64_decode(text, point, sizeof point, &len) || len != bulla_point_len(suite->curve))
        return bulla_fail(call, BULLA_EFORMAT, "the message's public key \"%s\" is malformed",
                          BULLA_CONTEXT_PUBLIC_KEY);
    BULLA_TRY(bulla_hasher_finish(opener->hasher, call, digest));
    bulla_status status = bulla_verify_digest(call, suite->curve, bulla_view_of(point, len),
                                              bulla_view_of(digest, bulla_hash_len(suite->sign_hash)), signature);
    if (status != BULLA_EINTEGRITY) return status;
    return bulla_fail(call, BULLA_EINTEGRITY, "the message's signature does not fit: it was altered");
}

void bulla_opener_done(bulla_opener *opener)
{
    for (size_t i = 0; i < opener->num_recipients; i++)
        bulla_provider_unref(opener->recipients[i]);
    if (opener->recipients != NULL) bulla_free(opener->env, opener->recipients);
    bulla_context_unref(opener->require);
    bulla_buffer_done(&opener->bytes);
    bulla_header_done(&opener->header);
    bulla_context_unref(opener->context);
    bulla_body_done(&opener->body);
    bulla_hasher_free(opener->hasher);
    *opener = (bulla_opener){0};
}
