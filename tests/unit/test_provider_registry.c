/* SPDX-License-Identifier: Apache-2.0 */
/* Which scheme opens which addresses. */
#include "cmocka_all.h"
#include "fakes/memory_provider.h"
#include "provider/provider.h"
#include "provider/registry.h"

#include <stdio.h>
#include <string.h>

static bulla_call call;
static bulla_registry registry;

static int setup(void **state)
{
    (void)state;
    bulla_call_init(&call, NULL);
    bulla_registry_init(&registry, NULL);
    return 0;
}

static bulla_status open_memory(void *arg, bulla_call *by, const char *address, bulla_provider **out_provider)
{
    *(const char **)arg = address;
    return memory_provider_new(by, "some-id", 1, out_provider);
}

static bulla_status open_nothing(void *arg, bulla_call *by, const char *address, bulla_provider **out_provider)
{
    (void)arg, (void)by, (void)address, (void)out_provider;
    return BULLA_OK;
}

static void test_the_back_ends_of_this_room_are_known(void **state)
{
    (void)state;
    static const char *const addresses[] = {"file:/nonexistent/key", "rsa:/nonexistent/key"};
    for (size_t i = 0; i < BULLA_LEN(addresses); i++) {
        bulla_provider *provider = NULL;
        assert_status(bulla_registry_open(&registry, &call, addresses[i], &provider), BULLA_ENOFILE);
        assert_null(provider);
    }
}

static void test_an_added_scheme_gets_its_whole_address(void **state)
{
    (void)state;
    const char *seen = NULL;
    const bulla_scheme scheme = {"memory", open_memory, &seen};
    BULLA_AUTO(bulla_provider) *provider = NULL;
    assert_ok(bulla_registry_add(&registry, &call, &scheme));
    assert_ok(bulla_registry_open(&registry, &call, "memory:any;thing?a%b", &provider));
    assert_string_equal(seen, "memory:any;thing?a%b");
    assert_string_equal(bulla_provider_name(provider), "memory");
}

static void test_a_schemes_name_need_not_outlive_its_adding(void **state)
{
    (void)state;
    const char *seen = NULL;
    char name[] = "passing";
    const bulla_scheme scheme = {name, open_memory, &seen};
    BULLA_AUTO(bulla_provider) *provider = NULL;
    assert_ok(bulla_registry_add(&registry, &call, &scheme));
    memset(name, 'x', sizeof name - 1);
    assert_ok(bulla_registry_open(&registry, &call, "passing:", &provider));
}

static void test_a_scheme_is_added_once(void **state)
{
    (void)state;
    const bulla_scheme again = {"file", open_nothing, NULL};
    assert_status(bulla_registry_add(&registry, &call, &again), BULLA_EEXISTS);
}

static void test_a_scheme_needs_a_proper_name_and_a_function(void **state)
{
    (void)state;
    const bulla_scheme bad[] = {{NULL, open_nothing, NULL},
                                {"", open_nothing, NULL},
                                {"Upper", open_nothing, NULL},
                                {"a:b", open_nothing, NULL},
                                {"ok", NULL, NULL},
                                {"-a", open_nothing, NULL},
                                {"sixteen-letters-", open_nothing, NULL}};
    for (size_t i = 0; i < BULLA_LEN(bad); i++)
        assert_status(bulla_registry_add(&registry, &call, &bad[i]), BULLA_EINVAL);
    assert_status(bulla_registry_add(&registry, &call, NULL), BULLA_EINVAL);
}

static void test_a_full_registry_says_so(void **state)
{
    (void)state;
    static char names[BULLA_MAX_SCHEMES + 1][8];
    bulla_status status = BULLA_OK;
    size_t added = registry.num_schemes;
    for (size_t i = 0; i <= BULLA_MAX_SCHEMES && status == BULLA_OK; i++) {
        (void)snprintf(names[i], sizeof names[i], "s%zu", i);
        status = bulla_registry_add(&registry, &call, &(bulla_scheme){names[i], open_nothing, NULL});
        if (status == BULLA_OK) added++;
    }
    assert_status(status, BULLA_ELIMIT);
    assert_int_equal(added, BULLA_MAX_SCHEMES);
}

static void test_an_unknown_scheme_is_named_with_the_nearest_known(void **state)
{
    (void)state;
    bulla_provider *provider = NULL;
    assert_status(bulla_registry_open(&registry, &call, "fiel:key", &provider), BULLA_EINVAL);
    assert_non_null(strstr(call.why, "\"file:\""));
    assert_status(bulla_registry_open(&registry, &call, "quantum:key", &provider), BULLA_EINVAL);
    assert_null(strstr(call.why, "did you mean"));
    assert_null(provider);
}

static void test_a_scheme_that_opens_nothing_breaks_its_contract(void **state)
{
    (void)state;
    const bulla_scheme scheme = {"nothing", open_nothing, NULL};
    bulla_provider *provider = NULL;
    assert_ok(bulla_registry_add(&registry, &call, &scheme));
    assert_status(bulla_registry_open(&registry, &call, "nothing:", &provider), BULLA_ECONTRACT);
    assert_null(provider);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_the_back_ends_of_this_room_are_known, setup),
        cmocka_unit_test_setup(test_an_added_scheme_gets_its_whole_address, setup),
        cmocka_unit_test_setup(test_a_schemes_name_need_not_outlive_its_adding, setup),
        cmocka_unit_test_setup(test_a_scheme_is_added_once, setup),
        cmocka_unit_test_setup(test_a_scheme_needs_a_proper_name_and_a_function, setup),
        cmocka_unit_test_setup(test_a_full_registry_says_so, setup),
        cmocka_unit_test_setup(test_an_unknown_scheme_is_named_with_the_nearest_known, setup),
        cmocka_unit_test_setup(test_a_scheme_that_opens_nothing_breaks_its_contract, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
