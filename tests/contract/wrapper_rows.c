/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/wrapper_rows.h"

#include "provider/request.h"
#include "provider/wrappers.h"

static const bulla_wrapper_site site = {"store=\"contract\"", NULL};

bulla_status make_cache(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    static const bulla_cache_options options = {.size = sizeof options, .ttl_ms = 60000, .max_entries = 100};
    BULLA_AUTO(bulla_provider) *inner = NULL;
    BULLA_TRY(row->inner->make(row->inner, call, which, &inner));
    return bulla_cache_new(call, inner, &options, out_provider);
}

bulla_status make_full_cache(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    static const bulla_cache_options options = {.size = sizeof options,
                                                .ttl_ms = 60000,
                                                .max_bytes = 100000,
                                                .refresh_ahead_ms = 59000,
                                                .offline_window_ms = 60000,
                                                .negative_ttl_ms = 10000};
    BULLA_AUTO(bulla_provider) *inner = NULL;
    BULLA_TRY(row->inner->make(row->inner, call, which, &inner));
    return bulla_cache_new(call, inner, &options, out_provider);
}

bulla_status make_retry(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    static const bulla_retry_options options = {.base_delay_ms = 1, .max_retries = 10, .budget_percent = 100};
    BULLA_AUTO(bulla_provider) *inner = NULL;
    BULLA_TRY(row->inner->make(row->inner, call, which, &inner));
    return bulla_retry_new(call, inner, &options, &site, out_provider);
}

bulla_status make_breaker(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    static const bulla_breaker_options options = {.min_calls = 100};
    BULLA_AUTO(bulla_provider) *inner = NULL;
    BULLA_TRY(row->inner->make(row->inner, call, which, &inner));
    return bulla_breaker_new(call, inner, &options, &site, out_provider);
}

static bulla_status failover_make(const contract_row *row, bulla_call *call, unsigned which, bool is_one_key,
                                  bulla_provider **out_provider)
{
    static const bulla_failover_options options = {.hedge = true};
    BULLA_AUTO(bulla_provider) *first = NULL, *second = NULL;
    BULLA_TRY(row->inner->make(row->inner, call, which, &first));
    BULLA_TRY(row->inner->make(row->inner, call, which, &second));
    bulla_provider *const both[2] = {first, second};
    return bulla_failover_new(call, both, 2, is_one_key, &options, &site, out_provider);
}

bulla_status make_failover(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    return failover_make(row, call, which, true, out_provider);
}

bulla_status make_replicas(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    return failover_make(row, call, which, false, out_provider);
}

/* One switch for all: they are behind wrappers, where a row cannot reach them. */
static bool all_down;

typedef struct faulty {
    bulla_wrapper base;
    bulla_provider *inner;
    size_t num_calls;
} faulty;

static bulla_provider *faulty_inner(const bulla_provider *provider, size_t index)
{
    return index == 0 ? ((const faulty *)(const void *)provider)->inner : NULL;
}

static bulla_status faulty_run(bulla_wrapper *wrapper, bulla_call *call, bulla_request *request)
{
    faulty *self = (faulty *)(void *)wrapper;
    size_t number = __atomic_add_fetch(&self->num_calls, 1, __ATOMIC_RELAXED);
    if (all_down || number % 20 == 0) return bulla_fail(call, BULLA_EUNAVAIL, "the connection broke");
    return bulla_request_send(request, self->inner, call);
}

static void faulty_destroy(bulla_wrapper *wrapper)
{
    bulla_provider_unref(((faulty *)(void *)wrapper)->inner);
}

bulla_status make_faulty(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    static const bulla_wrapper_kind kind = {sizeof(faulty), faulty_inner, faulty_run, faulty_destroy};
    BULLA_AUTO(bulla_provider) *inner = NULL;
    bulla_wrapper *made = NULL;
    BULLA_TRY(row->inner->make(row->inner, call, which, &inner));
    BULLA_TRY(bulla_wrapper_new(call, &kind, inner, &made));
    ((faulty *)(void *)made)->inner = bulla_provider_ref(inner);
    all_down = false;
    *out_provider = &made->base;
    return BULLA_OK;
}

void faulty_down_set(bulla_provider *provider, bool down)
{
    (void)provider;
    all_down = down;
}
