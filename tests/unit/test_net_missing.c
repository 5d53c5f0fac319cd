/* SPDX-License-Identifier: Apache-2.0 */
/* A machine without libcurl: local keys work there, and a key store on the network says what to install. */
#include "cmocka_all.h"
#include "net/http.h"

#include <dlfcn.h>
#include <string.h>

/* Before the C library's: nothing is there to load. */
void *dlopen(const char *name, int flags)
{
    (void)name;
    (void)flags;
    return NULL;
}

static void test_a_missing_library_is_named_with_what_to_install(void **state)
{
    (void)state;
    bulla_call call;
    bulla_http *http = NULL;
    bulla_call_init(&call, NULL);
    for (int i = 0; i < 2; i++) {
        assert_status(bulla_http_open(&call, &(bulla_http_options){.store = "main"}, &http), BULLA_EUNAVAIL);
        assert_non_null(strstr(call.why, "libcurl.so.4"));
        assert_non_null(strstr(call.why, "install libcurl4"));
        assert_null(http);
    }
}

static void test_a_url_needs_no_library(void **state)
{
    (void)state;
    bulla_http_url url;
    assert_ok(bulla_http_url_parse(NULL, "https://host", &url));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_missing_library_is_named_with_what_to_install),
        cmocka_unit_test(test_a_url_needs_no_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
