/* SPDX-License-Identifier: Apache-2.0 */
/* One row for each provider and each wrapper. */
#include "contract/wrapper_rows.h"
#include "crypto/rsa.h"
#include "fakes/flaky_provider.h"
#include "fakes/memory_provider.h"
#include "fakes/waiting_providers.h"
#include "provider/registry.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char keys_dir[64];

/* --- by address --- */

static bulla_status open_address(bulla_call *call, const char *address, bulla_provider **out_provider)
{
    bulla_registry registry;
    bulla_registry_init(&registry, NULL);
    return bulla_registry_open(&registry, call, address, out_provider);
}

/* Both keys have one name, so that each is asked to open what the other wrapped. */
static bulla_status make_file(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    (void)row;
    char address[256];
    (void)snprintf(address, sizeof address, "file:%s/aes%u?namespace=contract&name=key", keys_dir, which);
    return open_address(call, address, out_provider);
}

static bulla_status make_env(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    (void)row;
    char address[256];
    (void)snprintf(address, sizeof address, "env:BULLA_TEST_KEY_%u", which);
    return open_address(call, address, out_provider);
}

static bulla_status make_rsa(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    (void)row;
    char address[256];
    (void)snprintf(address, sizeof address, "rsa:%s/rsa%u?namespace=contract&name=key", keys_dir, which);
    return open_address(call, address, out_provider);
}

/* --- fakes and wrappers --- */

static bulla_status make_memory(const contract_row *row, bulla_call *call, unsigned which,
                                bulla_provider **out_provider)
{
    (void)row;
    return memory_provider_new(call, "memory-key", (uint8_t)(1 + which), out_provider);
}

static bulla_status make_flaky(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    BULLA_AUTO(bulla_provider) *inner = NULL;
    BULLA_TRY(row->inner->make(row->inner, call, which, &inner));
    return flaky_provider_new(call, inner, 0, out_provider);
}

static void flaky_down_set(bulla_provider *provider, bool down)
{
    flaky_provider_every_set(provider, down ? 1 : 0);
}

static bulla_status make_slow(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider)
{
    BULLA_AUTO(bulla_provider) *inner = NULL;
    BULLA_TRY(row->inner->make(row->inner, call, which, &inner));
    return slow_provider_new(call, inner, (fake_env *)call->env->arg, 1, out_provider);
}

static const contract_row file_row = {.name = "file", .make = make_file};
static const contract_row env_row = {.name = "env", .make = make_env};
static const contract_row rsa_row = {.name = "rsa", .make = make_rsa, .ignores_context = true};
static const contract_row memory_row = {.name = "memory", .make = make_memory};
static const contract_row cached_row = {.name = "cache over file", .make = make_cache, .inner = &file_row};
static const contract_row faulty_row = {.name = "faulty", .make = make_faulty, .inner = &memory_row};
static const contract_row retry_row = {.name = "retry", .make = make_retry, .inner = &faulty_row};
static const contract_row breaker_row = {.name = "breaker", .make = make_breaker, .inner = &retry_row};
static const contract_row failover_row = {.name = "failover", .make = make_failover, .inner = &breaker_row};

const contract_row contract_rows[] = {
    {.name = "file", .make = make_file},
    {.name = "env", .make = make_env},
    {.name = "rsa", .make = make_rsa, .ignores_context = true},
    {.name = "memory", .make = make_memory, .down_set = memory_provider_down_set},
    {.name = "cache over file", .make = make_cache, .inner = &file_row},
    {.name = "cache over env", .make = make_cache, .inner = &env_row},
    {.name = "cache over rsa", .make = make_cache, .inner = &rsa_row, .ignores_context = true},
    {.name = "cache over memory", .make = make_cache, .inner = &memory_row},
    {.name = "cache over cache over file", .make = make_cache, .inner = &cached_row},
    {.name = "flaky over memory", .make = make_flaky, .inner = &memory_row, .down_set = flaky_down_set},
    {.name = "slow over file", .make = make_slow, .inner = &file_row},
    {.name = "cache with everything over memory", .make = make_full_cache, .inner = &memory_row},
    {.name = "cache with everything over file", .make = make_full_cache, .inner = &file_row},
    {.name = "retry over memory", .make = make_retry, .inner = &memory_row},
    {.name = "retry over file", .make = make_retry, .inner = &file_row},
    {.name = "breaker over memory", .make = make_breaker, .inner = &memory_row},
    {.name = "breaker over file", .make = make_breaker, .inner = &file_row},
    {.name = "failover over memory", .make = make_failover, .inner = &memory_row},
    {.name = "failover over file", .make = make_failover, .inner = &file_row},
    {.name = "replicas over memory", .make = make_replicas, .inner = &memory_row},
    {.name = "replicas over file", .make = make_replicas, .inner = &file_row},
    {.name = "retry over a faulty store", .make = make_retry, .inner = &faulty_row, .down_set = faulty_down_set},
    {.name = "failover, breaker and retry over faulty stores",
     .make = make_failover,
     .inner = &breaker_row,
     .down_set = faulty_down_set},
    {.name = "the whole stack over faulty stores", .make = make_full_cache, .inner = &failover_row},
};
const size_t num_contract_rows = BULLA_LEN(contract_rows);

/* --- what they need --- */

static void write_file(const char *name, unsigned which, bulla_view content)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s%u", keys_dir, name, which);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, content.data, content.len) != (ssize_t)content.len || close(fd) != 0) abort();
}

static void write_rsa_key(unsigned which)
{
    bulla_call call;
    BULLA_AUTO(bulla_rsa) *rsa = NULL;
    BULLA_AUTO(bulla_secret) *der = NULL;
    char base64[4096], pem[8192] = "-----BEGIN PRIVATE KEY-----\n";
    bulla_call_init(&call, NULL);
    if (bulla_rsa_generate(&call, 2048, &rsa) != BULLA_OK || bulla_rsa_private_der(&call, rsa, &der) != BULLA_OK)
        abort();
    bulla_base64_encode(bulla_secret_borrow(der), base64);
    size_t len = strlen(pem);
    for (size_t at = 0; at < strlen(base64); at += 64)
        len += (size_t)snprintf(pem + len, sizeof pem - len, "%.64s\n", base64 + at);
    (void)snprintf(pem + len, sizeof pem - len, "-----END PRIVATE KEY-----\n");
    write_file("rsa", which, bulla_view_text(pem));
}

void contract_rows_prepare(const char *dir)
{
    (void)snprintf(keys_dir, sizeof keys_dir, "%s", dir);
    for (unsigned which = 0; which < 2; which++) {
        uint8_t key[32];
        for (size_t i = 0; i < sizeof key; i++)
            key[i] = (uint8_t)(which * 100 + 7 * i);
        write_file("aes", which, bulla_view_of(key, sizeof key));
        write_rsa_key(which);
    }
}
