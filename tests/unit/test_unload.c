/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin that uses libbulla.so may be unloaded while threads live that called it. */
#include "bulla/house.h"

#include "cmocka_all.h"

#include <dlfcn.h>
#include <pthread.h>

typedef bulla_status (*random_call)(bulla_call *call, uint8_t *out, size_t len);

static pthread_barrier_t turn;

static void *draw_and_outlive(void *arg)
{
    uint8_t bytes[16];
    bulla_status status = (*(random_call *)arg)(NULL, bytes, sizeof bytes);
    (void)pthread_barrier_wait(&turn);
    (void)pthread_barrier_wait(&turn); /* the library is closed meanwhile */
    return status == BULLA_OK ? arg : NULL;
}

static void test_a_thread_that_drew_random_bytes_outlives_the_library(void **state)
{
    (void)state;
    random_call draw = NULL;
    pthread_t thread;
    void *result = NULL, *library = dlopen(BULLA_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    assert_non_null(library);
    *(void **)&draw = dlsym(library, "bulla_random");
    assert_non_null(draw);
    assert_int_equal(pthread_barrier_init(&turn, NULL, 2), 0);
    assert_int_equal(pthread_create(&thread, NULL, draw_and_outlive, &draw), 0);
    (void)pthread_barrier_wait(&turn);
    assert_int_equal(dlclose(library), 0);
    (void)pthread_barrier_wait(&turn);
    assert_int_equal(pthread_join(thread, &result), 0);
    assert_non_null(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_thread_that_drew_random_bytes_outlives_the_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
