/* SPDX-License-Identifier: Apache-2.0 */
/* A resolver that does not answer: the C library would wait for it for half a minute, a call does not. */
#include "net_kit.h"

#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

#define SLOW_S 3

/* Before the C library's, for libcurl too. */
__attribute__((visibility("default"))) int getaddrinfo(const char *restrict name, const char *restrict service,
                                                       const struct addrinfo *restrict hints,
                                                       struct addrinfo **restrict out_list)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    if (name != NULL && strcmp(name, "slow.invalid") == 0) {
        (void)sleep(SLOW_S);
        return EAI_AGAIN;
    }
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    memcpy(&real, &symbol, sizeof real);
    return real(name, service, hints, out_list);
}

static net_kit kit;

static int start(void **state)
{
    (void)state;
    net_kit_start(&kit, &(http_server_options){.port = 0}, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    int64_t since = real_ms();
    net_kit_stop(&kit);
    assert_in_range(real_ms() - since, 0, 5000);
    return 0;
}

static bulla_status ask(const char *url, uint32_t timeout_ms)
{
    BULLA_HTTP_ANSWER(got);
    bulla_http_request request = {.method = "POST", .url = url, .timeout_ms = timeout_ms};
    return bulla_http_send(kit.http, &kit.call, &request, &got);
}

static void test_a_name_that_does_not_resolve_in_time_ends_the_try(void **state)
{
    (void)state;
    int64_t since = real_ms();
    assert_status(ask("http://slow.invalid:8200/", 200), BULLA_EUNAVAIL);
    assert_in_range(real_ms() - since, 150, 5000);
    assert_why(&kit, "waiting for the address of slow.invalid:8200");
}

static void test_the_deadline_does_not_wait_for_the_resolver(void **state)
{
    (void)state;
    int64_t since = real_ms();
    bulla_call_deadline_set(&kit.call, 200);
    assert_status(ask("http://slow.invalid:8200/", 5000), BULLA_EDEADLINE);
    assert_in_range(real_ms() - since, 150, 5000);
}

static void test_afterwards_the_connection_serves_other_names(void **state)
{
    (void)state;
    BULLA_HTTP_ANSWER(got);
    assert_status(ask("http://slow.invalid:8200/", 100), BULLA_EUNAVAIL);
    assert_ok(net_kit_ask(&kit, "GET", "/", &got));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_name_that_does_not_resolve_in_time_ends_the_try, start, stop),
        cmocka_unit_test_setup_teardown(test_the_deadline_does_not_wait_for_the_resolver, start, stop),
        cmocka_unit_test_setup_teardown(test_afterwards_the_connection_serves_other_names, start, stop),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)sleep(SLOW_S + 1); /* the lookups that were left behind end, and leave nothing */
    return failed;
}
