/* SPDX-License-Identifier: Apache-2.0 */
/* Copies by one and several threads. */
#include "message_kit.h"

#include "envelope/frame.h"
#include "envelope/pump.h"

#include <stdlib.h>
#include <string.h>

#define FRAME 4096u
#define CHUNK_TEXT (BULLA_CHUNK / (FRAME + BULLA_FRAME_OVERHEAD) * FRAME) /* plaintext of a chunk */
#define OUT_MAX (KIT_MAX + (1u << 18))

/* A sink in memory. Writes of several threads lie apart, so they need no lock; the counters are atomic. */
typedef struct memory_sink {
    uint8_t *bytes;
    size_t len;        /* where the furthest write ended */
    size_t in_order;   /* where the last one ended */
    bool out_of_order; /* a write that did not follow the one before */
    uint64_t fail_at;  /* writes at or behind this offset fail with ENOSPACE; UINT64_MAX: none */
} memory_sink;

static memory_sink sunk;

static bulla_status memory_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    memory_sink *memory = arg;
    if (offset >= memory->fail_at) return bulla_fail(call, BULLA_ENOSPACE, "the memory sink was told to");
    assert_true(offset + bytes.len <= OUT_MAX);
    memcpy(memory->bytes + offset, bytes.data, bytes.len);
    size_t end = (size_t)offset + bytes.len;
    if (__atomic_exchange_n(&memory->in_order, end, __ATOMIC_RELAXED) != offset)
        __atomic_store_n(&memory->out_of_order, true, __ATOMIC_RELAXED);
    size_t len = __atomic_load_n(&memory->len, __ATOMIC_RELAXED);
    while (len < end &&
           !__atomic_compare_exchange_n(&memory->len, &len, end, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
        continue;
    return BULLA_OK;
}

static bulla_sink sink_of(bool random_access)
{
    sunk.len = sunk.in_order = 0;
    sunk.out_of_order = false;
    sunk.fail_at = UINT64_MAX;
    return (bulla_sink){memory_write, &sunk, random_access};
}

static int start(void **state)
{
    sunk.bytes = malloc(OUT_MAX);
    return kit_start(state);
}

static int stop(void **state)
{
    free(sunk.bytes);
    return kit_stop(state);
}

typedef struct copy_way {
    unsigned threads;
    bool random_access;
    size_t step; /* of the source */
} copy_way;

static const copy_way all_ways[] = {{0, false, 1u << 20}, {1, true, 1000}, {2, false, 1u << 20},
                                    {2, true, 1u << 20},  {4, false, 777}, {4, true, 1u << 20}};
#define NUM_WAYS (sizeof all_ways / sizeof all_ways[0])

static bulla_status encrypt_copy(const copy_way *way, size_t len)
{
    bulla_encrypt_options options = kit_encrypt_options(FRAME);
    memory_source memory = {.bytes = kit_text(len), .step = way->step};
    bulla_source source = memory_source_of(&memory);
    bulla_sink sink = sink_of(way->random_access);
    options.threads = way->threads;
    return bulla_encrypt_copy(&kit.call, &options, &source, &sink);
}

static bulla_status decrypt_copy(const copy_way *way, bulla_view message)
{
    bulla_decrypt_options options = kit_decrypt_options();
    memory_source memory = {.bytes = message, .step = way->step};
    bulla_source source = memory_source_of(&memory);
    bulla_sink sink = sink_of(way->random_access);
    options.threads = way->threads;
    options.release_signed = true;
    return bulla_decrypt_copy(&kit.call, &options, &source, &sink);
}

static const size_t lens[] = {0,
                              1,
                              FRAME - 1,
                              FRAME,
                              FRAME + 1,
                              CHUNK_TEXT - 1,
                              CHUNK_TEXT,
                              CHUNK_TEXT + 1,
                              3 * CHUNK_TEXT,
                              3 * CHUNK_TEXT + FRAME + 9,
                              KIT_MAX};
#define NUM_LENS (sizeof lens / sizeof lens[0])

static void test_any_number_of_threads_makes_the_same_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUM_LENS; i++) {
        kit_random_restart();
        bulla_bytes message = kit_message(lens[i], FRAME);
        for (size_t j = 0; j < NUM_WAYS; j++) {
            kit_random_restart();
            assert_ok(encrypt_copy(&all_ways[j], lens[i]));
            assert_int_equal(sunk.len, message.len);
            assert_memory_equal(sunk.bytes, message.data, message.len);
            if (!all_ways[j].random_access) assert_false(sunk.out_of_order);
        }
        bulla_bytes_done(&message);
    }
}

static void test_any_number_of_threads_opens_a_message(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUM_LENS; i++) {
        bulla_bytes message = kit_message(lens[i], FRAME);
        for (size_t j = 0; j < NUM_WAYS; j++) {
            assert_ok(decrypt_copy(&all_ways[j], kit_view(message)));
            assert_int_equal(sunk.len, lens[i]);
            assert_memory_equal(sunk.bytes, kit.plaintext, lens[i]);
            if (!all_ways[j].random_access) assert_false(sunk.out_of_order);
        }
        bulla_bytes_done(&message);
    }
}

static void test_a_message_whose_last_frame_is_full_opens(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(2 * FRAME, FRAME); /* two regular frames and an empty final one */
    bulla_bytes shorter = kit_message(FRAME / 2, FRAME);
    for (size_t j = 0; j < NUM_WAYS; j++) {
        assert_ok(decrypt_copy(&all_ways[j], kit_view(message)));
        assert_int_equal(sunk.len, 2 * FRAME);
        assert_ok(decrypt_copy(&all_ways[j], kit_view(shorter)));
        assert_int_equal(sunk.len, FRAME / 2);
    }
    bulla_bytes_done(&message);
    bulla_bytes_done(&shorter);
}

static void test_frames_longer_than_a_chunk_are_copied(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(KIT_MAX, 700001);
    for (size_t j = 0; j < NUM_WAYS; j++) {
        assert_ok(decrypt_copy(&all_ways[j], kit_view(message)));
        assert_int_equal(sunk.len, KIT_MAX);
        assert_memory_equal(sunk.bytes, kit.plaintext, KIT_MAX);
    }
    bulla_bytes_done(&message);
}

static void test_frames_of_one_byte_are_copied(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(30000, 1);
    for (size_t j = 0; j < NUM_WAYS; j++) {
        assert_ok(decrypt_copy(&all_ways[j], kit_view(message)));
        assert_int_equal(sunk.len, 30000);
        assert_memory_equal(sunk.bytes, kit.plaintext, 30000);
    }
    bulla_bytes_done(&message);
}

static void test_a_copy_that_is_cut_off_anywhere_near_the_end_ends_early(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(CHUNK_TEXT + 2 * FRAME, FRAME);
    for (size_t j = 0; j < NUM_WAYS; j++)
        for (size_t cut = 1; cut < FRAME + 100; cut += cut < 60 ? 1 : 1000) {
            assert_status(decrypt_copy(&all_ways[j], bulla_view_of(message.data, message.len - cut)), BULLA_EINTEGRITY);
            assert_non_null(strstr(kit.call.why, "ends early"));
        }
    bulla_bytes_done(&message);
}

static void test_a_copy_refuses_bytes_behind_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < NUM_LENS; i++) {
        bulla_bytes message = kit_message(lens[i], FRAME);
        uint8_t *longer = calloc(1, message.len + 2 * FRAME);
        memcpy(longer, message.data, message.len);
        for (size_t j = 0; j < NUM_WAYS; j++)
            for (size_t more = 1; more < 2 * FRAME; more += more < 10 ? 1 : 3000)
                assert_status(decrypt_copy(&all_ways[j], bulla_view_of(longer, message.len + more)), BULLA_EFORMAT);
        free(longer);
        bulla_bytes_done(&message);
    }
}

static void test_of_several_faults_the_first_by_position_is_told(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(KIT_MAX, FRAME);
    size_t header_len = kit_header_len(kit_view(message)), size = FRAME + BULLA_FRAME_OVERHEAD;
    for (size_t frame = 200; frame < 500; frame += 13) /* frames are counted from 1 */
        message.data[header_len + (frame - 1) * size + 100] ^= 1;
    for (size_t j = 0; j < NUM_WAYS; j++) {
        assert_status(decrypt_copy(&all_ways[j], kit_view(message)), BULLA_EINTEGRITY);
        assert_non_null(strstr(kit.call.why, "frame 200 "));
    }
    bulla_bytes_done(&message);
}

static void test_a_full_sink_ends_a_copy(void **state)
{
    (void)state;
    bulla_encrypt_options options = kit_encrypt_options(FRAME);
    for (size_t j = 0; j < NUM_WAYS; j++) {
        memory_source memory = {.bytes = kit_text(KIT_MAX), .step = all_ways[j].step};
        bulla_source source = memory_source_of(&memory);
        bulla_sink sink = sink_of(all_ways[j].random_access);
        sunk.fail_at = KIT_MAX / 3;
        options.threads = all_ways[j].threads;
        assert_status(bulla_encrypt_copy(&kit.call, &options, &source, &sink), BULLA_ENOSPACE);
        assert_string_equal(kit.call.why, "the memory sink was told to");
    }
}

static void test_a_failing_source_ends_a_copy(void **state)
{
    (void)state;
    bulla_encrypt_options options = kit_encrypt_options(FRAME);
    for (size_t j = 0; j < NUM_WAYS; j++) {
        memory_source memory = {.bytes = kit_text(KIT_MAX), .step = 5000, .fail_at = 100};
        bulla_source source = memory_source_of(&memory);
        bulla_sink sink = sink_of(all_ways[j].random_access);
        options.threads = all_ways[j].threads;
        assert_status(bulla_encrypt_copy(&kit.call, &options, &source, &sink), BULLA_EIO);
    }
}

static bulla_status cancelling_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    (void)call;
    size_t *num_reads = arg;
    memset(buf, 0, len);
    if (++*num_reads == 20) bulla_call_cancel(&kit.call);
    assert_true(*num_reads < 10000); /* an endless source: only the cancellation ends it */
    *out_len = len < 1000 ? len : 1000;
    return BULLA_OK;
}

static void test_a_copy_can_be_cancelled(void **state)
{
    (void)state;
    for (size_t j = 0; j < NUM_WAYS; j++) {
        size_t num_reads = 0;
        bulla_encrypt_options options = kit_encrypt_options(FRAME);
        bulla_source source = {cancelling_read, &num_reads};
        bulla_sink sink = sink_of(all_ways[j].random_access);
        options.threads = all_ways[j].threads;
        assert_status(bulla_encrypt_copy(&kit.call, &options, &source, &sink), BULLA_ECANCELLED);
        bulla_call_init(&kit.call, &kit.env);
    }
}

static void test_a_copy_keeps_its_deadline(void **state)
{
    (void)state;
    for (size_t j = 0; j < NUM_WAYS; j++) {
        kit.call.deadline_ns = 1; /* long ago */
        assert_status(encrypt_copy(&all_ways[j], KIT_MAX), BULLA_EDEADLINE);
        kit.call.deadline_ns = 0;
    }
}

static void test_a_signed_message_is_copied_both_ways(void **state)
{
    (void)state;
    bulla_encrypt_options options = kit_encrypt_options(FRAME);
    options.suite = BULLA_SUITE_COMMIT_SIGNED;
    options.threads = 2;
    for (size_t i = 0; i < NUM_LENS; i++) {
        memory_source memory = {.bytes = kit_text(lens[i]), .step = 100000};
        bulla_source source = memory_source_of(&memory);
        bulla_sink sink = sink_of(true);
        assert_ok(bulla_encrypt_copy(&kit.call, &options, &source, &sink));
        uint8_t *message = malloc(sunk.len);
        bulla_view view = bulla_view_of(memcpy(message, sunk.bytes, sunk.len), sunk.len);
        assert_ok(decrypt_copy(&all_ways[2], view));
        assert_int_equal(sunk.len, lens[i]);
        assert_memory_equal(sunk.bytes, kit.plaintext, lens[i]);
        message[view.len - 1] ^= 1;
        assert_true(decrypt_copy(&all_ways[2], view) != BULLA_OK);
        free(message);
    }
}

static void test_a_signed_message_is_not_copied_unless_asked_for(void **state)
{
    (void)state;
    bulla_encrypt_options encrypt = kit_encrypt_options(FRAME);
    bulla_decrypt_options options = kit_decrypt_options();
    encrypt.suite = BULLA_SUITE_COMMIT_SIGNED;
    bulla_bytes message = kit_message_with(&encrypt, 100);
    memory_source memory = {.bytes = kit_view(message), .step = 100000};
    bulla_source source = memory_source_of(&memory);
    bulla_sink sink = sink_of(true);
    assert_status(bulla_decrypt_copy(&kit.call, &options, &source, &sink), BULLA_EUNSUPPORTED);
    assert_int_equal(sunk.len, 0);
    bulla_bytes_done(&message);
}

static void test_a_copy_tells_why_a_header_does_not_open(void **state)
{
    (void)state;
    bulla_bytes message = kit_message(100, FRAME);
    assert_status(decrypt_copy(&all_ways[2], bulla_view_of(message.data, 50)), BULLA_EINTEGRITY);
    assert_status(decrypt_copy(&all_ways[2], bulla_view_text("not a message")), BULLA_EFORMAT);
    assert_status(decrypt_copy(&all_ways[2], (bulla_view){NULL, 0}), BULLA_EINTEGRITY);
    bulla_bytes_done(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_number_of_threads_makes_the_same_message),
        cmocka_unit_test(test_any_number_of_threads_opens_a_message),
        cmocka_unit_test(test_a_message_whose_last_frame_is_full_opens),
        cmocka_unit_test(test_frames_longer_than_a_chunk_are_copied),
        cmocka_unit_test(test_frames_of_one_byte_are_copied),
        cmocka_unit_test(test_a_copy_that_is_cut_off_anywhere_near_the_end_ends_early),
        cmocka_unit_test(test_a_copy_refuses_bytes_behind_the_end),
        cmocka_unit_test(test_of_several_faults_the_first_by_position_is_told),
        cmocka_unit_test(test_a_full_sink_ends_a_copy),
        cmocka_unit_test(test_a_failing_source_ends_a_copy),
        cmocka_unit_test(test_a_copy_can_be_cancelled),
        cmocka_unit_test(test_a_copy_keeps_its_deadline),
        cmocka_unit_test(test_a_signed_message_is_copied_both_ways),
        cmocka_unit_test(test_a_signed_message_is_not_copied_unless_asked_for),
        cmocka_unit_test(test_a_copy_tells_why_a_header_does_not_open),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
