/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets on a system that refuses what protects them. The calls below take the place of the C library's. */
#include "base/secret.h"
#include "cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static int refused_advice = -1;
static bool refuses_watching;

int madvise(void *start, size_t len, int advice)
{
    if (advice != refused_advice) return (int)syscall(SYS_madvise, start, len, advice);
    errno = EINVAL;
    return -1;
}

/* What the C library's own pthread_atfork calls. */
extern int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void), void *dso);

int pthread_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return refuses_watching ? ENOMEM : __register_atfork(prepare, parent, child, NULL);
}

static bulla_secret *filled(size_t len)
{
    bulla_secret *secret = NULL;
    assert_ok(bulla_secret_new(NULL, len, &secret));
    memset(bulla_secret_fill(secret), 0xA5, len);
    return secret;
}

static void test_without_a_watch_over_forks_there_is_no_secret(void **state)
{
    (void)state;
    bulla_secret *secret = NULL;
    refuses_watching = true;
    assert_status(bulla_secret_new(NULL, 32, &secret), BULLA_ENOMEM);
    assert_null(secret);
    refuses_watching = false;
    bulla_secret_unref(filled(32));
}

static void test_what_would_be_in_core_files_is_not_given_out(void **state)
{
    (void)state;
    bulla_secret *secret = NULL;
    refused_advice = MADV_DONTDUMP;
    assert_status(bulla_secret_new(NULL, 400, &secret), BULLA_ENOMEM);
    assert_null(secret);
    refused_advice = -1;
    bulla_secret_unref(filled(400));
}

/* Looks at the bytes themselves too, past bulla_secret_borrow, which would hide them. */
static int count_left(const bulla_secret *const *secrets, const uint8_t *const *bytes, const size_t *lens)
{
    int left = 0;
    for (size_t i = 0; i < 2; i++) {
        left += bulla_secret_is_live(secrets[i]) || bulla_secret_borrow(secrets[i]).len != 0;
        for (size_t k = 0; k < lens[i]; k++)
            left += bytes[i][k] != 0;
    }
    return left == 0 ? 0 : 1;
}

static void test_a_child_has_no_secret_where_the_kernel_does_not_empty_them(void **state)
{
    (void)state;
    static const size_t lens[] = {1500, 100000};
    refused_advice = MADV_WIPEONFORK;
    bulla_secret *one = filled(lens[0]), *gone = filled(lens[1]), *two = filled(lens[1]);
    refused_advice = -1;
    bulla_secret_unref(gone);
    const bulla_secret *const secrets[] = {one, two};
    const uint8_t *const bytes[] = {bulla_secret_borrow(one).data, bulla_secret_borrow(two).data};
    int status = 0;
    pid_t child = fork();
    if (child == 0) _exit(count_left(secrets, bytes, lens));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(bytes[1][lens[1] - 1], 0xA5); /* the parent has them still */
    bulla_secret_unref(one);
    bulla_secret_unref(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_a_watch_over_forks_there_is_no_secret),
        cmocka_unit_test(test_what_would_be_in_core_files_is_not_given_out),
        cmocka_unit_test(test_a_child_has_no_secret_where_the_kernel_does_not_empty_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
