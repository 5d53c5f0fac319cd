/* SPDX-License-Identifier: Apache-2.0 */
#include "store_kit.h"

#include "base/bytes.h"
#include "base/secret.h"

#include <time.h>

store_kit kit;

int kit_start(void **state)
{
    (void)state;
    kit = (store_kit){.key = NULL};
    fake_env_init(&kit.fake);
    bulla_call_init(&kit.call, &kit.fake.env);
    bool failed = memory_provider_new(&kit.call, "key", 1, &kit.memory) != BULLA_OK ||
                  scripted_provider_new(&kit.call, kit.memory, &kit.fake, &kit.script) != BULLA_OK;
    for (size_t i = 0; i < KIT_KEYS && !failed; i++)
        failed = bulla_provider_datakey(kit.memory, &kit.call, NULL, 32, &kit.deks[i], &kit.wrapped[i]) != BULLA_OK;
    return failed;
}

int kit_stop(void **state)
{
    (void)state;
    bulla_provider_unref(kit.key);
    bulla_provider_unref(&kit.script->base.base);
    bulla_provider_unref(kit.memory);
    for (size_t i = 0; i < KIT_KEYS; i++) {
        bulla_wrapped_free(kit.wrapped[i]);
        bulla_secret_unref(kit.deks[i]);
    }
    return kit.fake.num_live != 0;
}

void kit_cache_open(bulla_cache_options options)
{
    options.size = sizeof options;
    assert_ok(bulla_cache_new(&kit.call, &kit.script->base.base, &options, &kit.key));
}

bulla_cache_stats kit_stats(void)
{
    bulla_cache_stats got;
    assert_ok(bulla_cache_stats_get(kit.key, &kit.call, &got));
    return got;
}

bulla_status kit_unwrap_with(bulla_call *call, size_t i)
{
    BULLA_AUTO(bulla_secret) *dek = NULL;
    bulla_status status = bulla_provider_unwrap(kit.key, call, NULL, kit.wrapped[i], &dek);
    if (status == BULLA_OK) assert_true(bulla_view_equal(bulla_secret_borrow(dek), bulla_secret_borrow(kit.deks[i])));
    return status;
}

bulla_status kit_unwrap(size_t i)
{
    return kit_unwrap_with(&kit.call, i);
}

size_t kit_times_asked(void)
{
    return __atomic_load_n(&kit.script->num_calls, __ATOMIC_RELAXED);
}

bool kit_comes_true(bool (*is_so)(void))
{
    static const struct timespec millisecond = {0, 1000000};
    for (int i = 0; i < 10000 && !is_so(); i++)
        (void)nanosleep(&millisecond, NULL);
    return is_so();
}
