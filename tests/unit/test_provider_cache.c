/* SPDX-License-Identifier: Apache-2.0 */
/* The unwrap cache: what it keeps, for how long, and what makes it forget. */
#include "base/bytes.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "fakes/memory_provider.h"
#include "provider/cachetable.h"
#include "provider/provider.h"

#include <sys/wait.h>
#include <unistd.h>

#define NUM_KEYS 200u
#define ALL ((bulla_view){NULL, 0})

static fake_env fake;
static bulla_call call;
static bulla_provider *memory, *cache;
static bulla_wrapped *wrapped[NUM_KEYS];

static void cache_open(bulla_cache_options options)
{
    options.size = sizeof options;
    assert_ok(bulla_cache_new(&call, memory, &options, &cache));
}

static int setup(void **state)
{
    (void)state;
    fake_env_init(&fake);
    bulla_call_init(&call, &fake.env);
    cache = NULL;
    if (memory_provider_new(&call, "0123456789abcdef0123456789abcdef", 1, &memory) != BULLA_OK) return 1;
    for (size_t i = 0; i < NUM_KEYS; i++) {
        BULLA_AUTO(bulla_secret) *dek = NULL;
        if (bulla_provider_datakey(memory, &call, NULL, 32, &dek, &wrapped[i]) != BULLA_OK) return 1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    bulla_provider_unref(cache);
    bulla_provider_unref(memory);
    for (size_t i = 0; i < NUM_KEYS; i++)
        bulla_wrapped_free(BULLA_TAKE(wrapped[i]));
    return fake.num_live != 0;
}

static void use(size_t i)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    assert_ok(bulla_provider_unwrap(cache, &call, NULL, wrapped[i], &dek));
    assert_int_equal(bulla_secret_borrow(dek).len, 32);
}

static size_t times_asked(void)
{
    return memory_provider_counts(memory).unwraps;
}

static bulla_cache_stats stats(void)
{
    bulla_cache_stats got;
    assert_ok(bulla_cache_stats_get(cache, &call, &got));
    return got;
}

static void test_the_store_is_asked_once(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    for (int i = 0; i < 10; i++)
        use(0);
    assert_int_equal(times_asked(), 1);
    bulla_cache_stats got = stats();
    assert_true(got.hits == 9 && got.misses == 1 && got.entries == 1 && got.ttl_ms == 1000);
}

static void test_a_hit_takes_no_memory(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    use(0);
    size_t before = fake.num_allocs;
    for (int i = 0; i < 100; i++)
        use(0);
    assert_int_equal(fake.num_allocs, before);
}

static void test_an_entry_lives_for_its_time_and_no_longer(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    use(0);
    fake_env_advance_ms(&fake, 999);
    use(0);
    assert_int_equal(times_asked(), 1);
    fake_env_advance_ms(&fake, 1);
    use(0);
    assert_int_equal(times_asked(), 2);
    assert_int_equal(stats().expired, 1);
}

static void advance_50ms(void *arg)
{
    fake_env_advance_ms(arg, 50);
}

static void test_what_has_expired_is_not_given_before_it_is_swept(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000, .max_entries = 100});
    for (size_t i = 0; i < 90; i++)
        use(i);
    fake_env_advance_ms(&fake, 1000); /* more than one sweep takes away */
    use(89);
    assert_int_equal(times_asked(), 91);
}

static void test_the_time_counts_from_when_the_store_was_asked(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 100});
    memory_provider_hook_set(memory, advance_50ms, &fake); /* the store takes 50 ms */
    use(0);
    fake_env_advance_ms(&fake, 49);
    use(0);
    assert_int_equal(times_asked(), 1);
    fake_env_advance_ms(&fake, 1);
    use(0);
    assert_int_equal(times_asked(), 2);
}

static void test_use_limits_hold_exactly(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000, .max_uses = 3});
    for (int i = 0; i < 12; i++)
        use(0); /* one miss and three hits, three times */
    assert_int_equal(times_asked(), 3);
    bulla_cache_stats got = stats();
    assert_true(got.used_up == 3 && got.hits == 9 && got.entries == 0);
}

static void test_expired_keys_go_when_others_come(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    size_t before = fake.num_live;
    for (size_t i = 0; i < 100; i++)
        use(i);
    fake_env_advance_ms(&fake, 1000);
    for (size_t i = 100; i < NUM_KEYS; i++)
        use(i);
    assert_int_equal(fake.num_live, before + 100); /* the first hundred went without being asked for */
}

static void test_expired_keys_go_when_one_key_is_used_all_the_time(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    size_t before = fake.num_live;
    for (size_t i = 1; i < 150; i++)
        use(i);
    fake_env_advance_ms(&fake, 1000);
    for (size_t i = 0; i < 200000; i++)
        use(0);
    assert_int_equal(fake.num_live, before + 1);
}

static void test_there_are_never_more_entries_than_allowed(void **state)
{
    (void)state;
    static const uint32_t limits[] = {1, 2, 10, 64, 128, 199};
    for (size_t n = 0; n < BULLA_LEN(limits); n++) {
        cache_open((bulla_cache_options){.ttl_ms = 1000, .max_entries = limits[n]});
        for (size_t i = 0; i < NUM_KEYS; i++) {
            use(i);
            assert_in_range(stats().entries, 1, limits[n]);
        }
        assert_int_equal(stats().entries, limits[n]);
        assert_int_equal(stats().evicted, NUM_KEYS - limits[n]);
        bulla_provider_unref(BULLA_TAKE(cache));
    }
}

static void test_what_is_used_stays_and_what_is_not_goes_first(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000, .max_entries = 8});
    for (size_t i = 0; i < 8; i++)
        use(i);
    for (size_t i = 8; i < 60; i++) {
        use(3);
        use(i);
    }
    size_t asked = times_asked();
    use(3);
    assert_int_equal(times_asked(), asked);
    use(0);
    assert_int_equal(times_asked(), asked + 1);
}

static void test_a_purge_forgets_all(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    for (size_t i = 0; i < 50; i++)
        use(i);
    bulla_provider_purge(cache, ALL);
    assert_int_equal(stats().entries, 0);
    assert_int_equal(stats().purged, 50);
    assert_int_equal(memory_provider_counts(memory).purges, 1);
    use(0);
    assert_int_equal(times_asked(), 51);
}

static void test_a_purge_by_key_id_forgets_that_key_and_no_other(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    for (size_t i = 0; i < 50; i++)
        use(i);
    bulla_provider_purge(cache, bulla_view_text("1123456789abcdef0123456789abcdef"));
    assert_int_equal(stats().entries, 50);
    bulla_provider_purge(cache, bulla_view_text("0123456789abcdef0123456789abcdef"));
    assert_int_equal(stats().entries, 0);
}

static void purge_now(void *arg)
{
    (void)arg;
    bulla_provider_purge(cache, ALL);
}

static void test_a_purge_while_the_store_is_asked_forbids_keeping_the_answer(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    memory_provider_hook_set(memory, purge_now, NULL);
    use(0);
    assert_int_equal(stats().entries, 0);
    memory_provider_hook_set(memory, NULL, NULL);
    use(0);
    assert_int_equal(times_asked(), 2);
    assert_int_equal(stats().entries, 1);
}

static void test_rotation_forgets_even_when_it_fails(void **state)
{
    (void)state;
    uint32_t version = 0;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    use(0);
    assert_ok(bulla_provider_rotate(cache, &call, &version));
    assert_int_equal(version, 2);
    assert_int_equal(stats().entries, 0);
    use(0);
    memory_provider_down_set(memory, true);
    assert_status(bulla_provider_rotate(cache, &call, &version), BULLA_EUNAVAIL);
    memory_provider_down_set(memory, false);
    assert_int_equal(stats().entries, 0);
}

static void test_failures_are_not_kept(void **state)
{
    (void)state;
    bulla_secret *dek = NULL;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    memory_provider_down_set(memory, true);
    for (int i = 0; i < 3; i++)
        assert_status(bulla_provider_unwrap(cache, &call, NULL, wrapped[0], &dek), BULLA_EUNAVAIL);
    assert_int_equal(times_asked(), 3);
    memory_provider_down_set(memory, false);
    use(0);
    memory_provider_down_set(memory, true);
    use(0); /* known: the store's outage does not matter for as long as the entry lives */
    assert_int_equal(times_asked(), 4);
}

static void test_a_disabled_key_stops_after_the_ttl_or_a_purge(void **state)
{
    (void)state;
    bulla_secret *dek = NULL;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    use(0);
    use(1);
    memory_provider_state_set(memory, BULLA_KEY_DISABLED);
    use(0);
    fake_env_advance_ms(&fake, 1000);
    assert_status(bulla_provider_unwrap(cache, &call, NULL, wrapped[0], &dek), BULLA_ESTATE);
    memory_provider_state_set(memory, BULLA_KEY_ENABLED);
    use(0);
    memory_provider_state_set(memory, BULLA_KEY_DESTROYED);
    bulla_provider_purge(cache, bulla_view_text("0123456789abcdef0123456789abcdef"));
    assert_status(bulla_provider_unwrap(cache, &call, NULL, wrapped[0], &dek), BULLA_EDESTROYED);
    assert_null(dek);
}

static void test_without_memory_keys_open_and_are_not_kept(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    fake_env_fail_alloc_in(&fake, 2); /* the first is for those who would wait for this request's answer */
    use(0);
    assert_int_equal(stats().entries, 0);
    assert_status(call.status, BULLA_OK);
    fake_env_fail_alloc_in(&fake, 1);
    use(0);
    assert_int_equal(stats().entries, 1);
    assert_int_equal(times_asked(), 2);
}

static void test_options_are_checked(void **state)
{
    (void)state;
    const bulla_cache_options bad[] = {{.size = sizeof bad[0]},
                                       {.size = sizeof bad[0], .ttl_ms = 86400001},
                                       {.size = sizeof bad[0], .ttl_ms = 1, .max_entries = 1048577},
                                       {.size = 4, .ttl_ms = 1}};
    bulla_provider *made = NULL;
    for (size_t i = 0; i < BULLA_LEN(bad); i++)
        assert_status(bulla_cache_new(&call, memory, &bad[i], &made), BULLA_EINVAL);
    assert_status(bulla_cache_new(&call, memory, NULL, &made), BULLA_EINVAL);
    const bulla_cache_options good = {.size = sizeof good, .ttl_ms = 1};
    assert_status(bulla_cache_new(&call, NULL, &good, &made), BULLA_EINVAL);
    const bulla_cache_options older = {.size = offsetof(bulla_cache_options, max_uses), .ttl_ms = 5, .max_uses = 1};
    assert_null(made);
    assert_ok(bulla_cache_new(&call, memory, &older, &cache));
    use(0);
    use(0);
    use(0);
    assert_int_equal(times_asked(), 1); /* what lies behind its size was not read */
}

static void test_the_largest_cache_works(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000, .max_entries = 1048576});
    for (size_t i = 0; i < NUM_KEYS; i++)
        use(i);
    for (size_t i = 0; i < NUM_KEYS; i++)
        use(i);
    assert_int_equal(times_asked(), NUM_KEYS);
}

/* Keys of one hash, which nobody can make from outside: the parts are compared in full. */
static void test_one_hash_is_not_one_key(void **state)
{
    (void)state;
    static const char *const texts[4] = {"provider", "information", "some wrapped blob", "context"};
    bulla_cachetable table = {.env = &fake.env};
    bulla_cachekey key = {.hash = 7}, asked;
    BULLA_AUTO(bulla_secret) *dek = NULL;
    assert_ok(bulla_secret_random(&call, 32, &dek));
    assert_ok(bulla_cachetable_init(&table, &call, &fake.env, 64, 0));
    for (size_t i = 0; i < 4; i++)
        key.parts[i] = bulla_view_text(texts[i]);
    const bulla_cachevalue value = {.dek = dek, .soft_ns = 1000, .expires_ns = 1000};
    bulla_cachetable_put(&table, &key, &value, 0, bulla_cachetable_generation(&table));
    for (size_t part = 0; part < 4; part++) {
        for (size_t at = 0; at < key.parts[part].len; at++) {
            char changed[32] = {0};
            memcpy(changed, texts[part], key.parts[part].len);
            changed[at] ^= 1;
            asked = key;
            asked.parts[part] = bulla_view_of(changed, key.parts[part].len);
            assert_null(bulla_cachetable_find(&table, &asked, 1).dek);
            asked.parts[part] = bulla_view_of(texts[part], at);
            assert_null(bulla_cachetable_find(&table, &asked, 1).dek);
        }
    }
    bulla_secret *found = bulla_cachetable_find(&table, &key, 1).dek;
    assert_ptr_equal(found, dek);
    bulla_secret_unref(found);
    bulla_cachetable_done(&table);
}

/* Copies of old and young entries, and answers of a slow store, come in any order. */
static void test_expired_keys_go_whatever_order_they_came_in(void **state)
{
    (void)state;
    static const int64_t orders[][4] = {{40, 30, 20, 10}, {10, 40, 30, 20}, {30, 10, 40, 20}, {20, 40, 10, 30}};
    BULLA_AUTO(bulla_secret) *dek = NULL;
    assert_ok(bulla_secret_random(&call, 32, &dek));
    for (size_t n = 0; n < BULLA_LEN(orders); n++) {
        bulla_cachetable table = {.env = &fake.env};
        assert_ok(bulla_cachetable_init(&table, &call, &fake.env, 64, 0));
        size_t before = fake.num_live;
        for (uint64_t i = 0; i < 4; i++) {
            const bulla_cachevalue value = {.dek = dek, .soft_ns = orders[n][i], .expires_ns = orders[n][i]};
            bulla_cachetable_put(&table, &(bulla_cachekey){.hash = i}, &value, 0, 0);
        }
        for (int64_t now = 0; now <= 45; now += 5) {
            assert_null(bulla_cachetable_find(&table, &(bulla_cachekey){.hash = 9}, now).dek);
            assert_int_equal(fake.num_live - before, now >= 40 ? 0 : 4 - now / 10);
        }
        bulla_cachetable_done(&table);
    }
}

static void test_there_is_no_cache_without_randomness(void **state)
{
    (void)state;
    const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 1};
    fake.random_answer = BULLA_ECRYPTO; /* its hash would have a key that others know */
    assert_status(bulla_cache_new(&call, memory, &options, &cache), BULLA_ECRYPTO);
    assert_null(cache);
}

static void test_a_cache_bears_the_name_of_its_back_end(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    assert_string_equal(bulla_provider_name(cache), bulla_provider_name(memory));
}

static void test_only_a_cache_has_stats(void **state)
{
    (void)state;
    bulla_cache_stats got;
    assert_status(bulla_cache_stats_get(memory, &call, &got), BULLA_EINVAL);
    assert_status(bulla_cache_stats_get(NULL, &call, &got), BULLA_EINVAL);
}

/* A forked child has no keys: it asks the store itself, whatever state the parent's table was in. */
static void test_a_forked_child_starts_with_an_empty_cache(void **state)
{
    (void)state;
    cache_open((bulla_cache_options){.ttl_ms = 1000});
    for (size_t i = 0; i < 20; i++)
        use(i);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        bulla_secret *dek = NULL;
        size_t before = times_asked();
        bulla_status status = bulla_provider_unwrap(cache, &call, NULL, wrapped[0], &dek);
        _exit(times_asked() == before + 1 && (status == BULLA_OK || dek == NULL) ? 0 : 1);
    }
    int result = 0;
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
    use(0);
    assert_int_equal(times_asked(), 20);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(test_the_store_is_asked_once),
        WITH(test_a_hit_takes_no_memory),
        WITH(test_an_entry_lives_for_its_time_and_no_longer),
        WITH(test_what_has_expired_is_not_given_before_it_is_swept),
        WITH(test_the_time_counts_from_when_the_store_was_asked),
        WITH(test_use_limits_hold_exactly),
        WITH(test_expired_keys_go_when_others_come),
        WITH(test_expired_keys_go_when_one_key_is_used_all_the_time),
        WITH(test_there_are_never_more_entries_than_allowed),
        WITH(test_what_is_used_stays_and_what_is_not_goes_first),
        WITH(test_a_purge_forgets_all),
        WITH(test_a_purge_by_key_id_forgets_that_key_and_no_other),
        WITH(test_a_purge_while_the_store_is_asked_forbids_keeping_the_answer),
        WITH(test_rotation_forgets_even_when_it_fails),
        WITH(test_failures_are_not_kept),
        WITH(test_a_disabled_key_stops_after_the_ttl_or_a_purge),
        WITH(test_without_memory_keys_open_and_are_not_kept),
        WITH(test_options_are_checked),
        WITH(test_the_largest_cache_works),
        WITH(test_one_hash_is_not_one_key),
        WITH(test_expired_keys_go_whatever_order_they_came_in),
        WITH(test_there_is_no_cache_without_randomness),
        WITH(test_a_cache_bears_the_name_of_its_back_end),
        WITH(test_only_a_cache_has_stats),
        WITH(test_a_forked_child_starts_with_an_empty_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
