/* SPDX-License-Identifier: Apache-2.0 */
#include "message_kit.h"

#include "envelope/header.h"

#include <stdlib.h>

message_kit kit;

/* splitmix64: different at every byte, the same at every run. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static bulla_status repeatable(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    for (size_t i = 0; i < len; i++)
        out[i] = (uint8_t)next_random(&kit.random_state);
    return BULLA_OK;
}

static void context_make(void)
{
    const bulla_pair pairs[] = {{bulla_view_text("tenant"), bulla_view_text("acme")},
                                {bulla_view_text("purpose"), bulla_view_text("test")}};
    assert_ok(bulla_context_new(&kit.call, pairs, 2, &kit.context));
}

int kit_start(void **state)
{
    (void)state;
    kit.env = *bulla_env_default();
    kit.env.random = repeatable;
    bulla_call_init(&kit.call, &kit.env);
    keyed_provider_init(&kit.ann, "ann", 1);
    keyed_provider_init(&kit.bob, "bob", 2);
    keyed_provider_init(&kit.eve, "bob", 3);
    kit.ann_only[0] = kit.ann_bob[0] = &kit.ann.base;
    kit.bob_only[0] = kit.ann_bob[1] = &kit.bob.base;
    kit.eve_only[0] = &kit.eve.base;
    kit.plaintext = malloc(KIT_MAX);
    uint64_t seed = 7;
    for (size_t i = 0; i < KIT_MAX; i++)
        kit.plaintext[i] = (uint8_t)next_random(&seed);
    kit_random_restart();
    context_make();
    return 0;
}

int kit_stop(void **state)
{
    (void)state;
    keyed_provider_done(&kit.ann);
    keyed_provider_done(&kit.bob);
    keyed_provider_done(&kit.eve);
    bulla_context_unref(kit.context);
    free(kit.plaintext);
    return 0;
}

void kit_random_restart(void)
{
    kit.random_state = 42;
    kit.ann.num_wrapped = kit.bob.num_wrapped = kit.eve.num_wrapped = 0;
}

bulla_view kit_text(size_t len)
{
    return bulla_view_of(kit.plaintext, len);
}

bulla_encrypt_options kit_encrypt_options(uint32_t frame_len)
{
    return (bulla_encrypt_options){.size = sizeof(bulla_encrypt_options),
                                   .recipients = kit.ann_bob,
                                   .num_recipients = 2,
                                   .context = kit.context,
                                   .frame_len = frame_len};
}

bulla_decrypt_options kit_decrypt_options(void)
{
    return (bulla_decrypt_options){
        .size = sizeof(bulla_decrypt_options), .recipients = kit.ann_only, .num_recipients = 1};
}

bulla_bytes kit_message_with(const bulla_encrypt_options *options, size_t len)
{
    bulla_bytes message = {0};
    assert_ok(bulla_encrypt(&kit.call, options, kit_text(len), &message));
    return message;
}

bulla_bytes kit_message(size_t len, uint32_t frame_len)
{
    bulla_encrypt_options options = kit_encrypt_options(frame_len);
    return kit_message_with(&options, len);
}

void kit_opens(const bulla_decrypt_options *options, bulla_view message, size_t len)
{
    bulla_bytes plaintext = {0};
    assert_ok(bulla_decrypt(&kit.call, options, message, &plaintext));
    assert_int_equal(plaintext.len, len);
    assert_memory_equal(plaintext.data, kit.plaintext, len);
    bulla_bytes_done(&plaintext);
}

void kit_fails(const bulla_decrypt_options *options, bulla_view message, bulla_status expected)
{
    bulla_bytes plaintext = {0};
    kit.call.why[0] = '\0';
    assert_status(bulla_decrypt(&kit.call, options, message, &plaintext), expected);
    assert_null(plaintext.data);
    assert_status(kit.call.status, expected);
    assert_true(kit.call.why[0] != '\0');
}

size_t kit_header_len(bulla_view message)
{
    bulla_header header = {0};
    size_t need = 0;
    assert_ok(bulla_header_decode(&kit.call, message, &header, &need));
    assert_true(need <= message.len);
    bulla_header_done(&header);
    return need;
}

static bulla_status memory_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    memory_source *memory = arg;
    size_t left = memory->bytes.len - memory->at;
    if (++memory->num_reads == memory->fail_at) return bulla_fail(call, BULLA_EIO, "the memory source was told to");
    if (len > memory->step) len = memory->step;
    if (len > left) len = left;
    if (len != 0) memcpy(buf, memory->bytes.data + memory->at, len);
    memory->at += len;
    *out_len = len;
    return BULLA_OK;
}

bulla_source memory_source_of(memory_source *memory)
{
    return (bulla_source){memory_read, memory};
}
