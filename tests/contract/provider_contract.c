/* SPDX-License-Identifier: Apache-2.0 */
#include "contract/provider_contract.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_CHECKS 64u

static int contract_setup(void **state)
{
    static const char *const texts[] = {"tenant", "acme", "purpose", "Verträge"};
    contract *c = calloc(1, sizeof *c);
    c->row = *state;
    fake_env_init(&c->fake);
    fake_env_var_set(&c->fake, "BULLA_TEST_KEY_0", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    fake_env_var_set(&c->fake, "BULLA_TEST_KEY_1", "/v38+/r5+Pf29fTz8vHw7+7t7Ovq6ejn5uXk4+Lh4N8=");
    bulla_call_init(&c->call, &c->fake.env);
    if (c->row->make(c->row, &c->call, 0, &c->key) != BULLA_OK ||
        c->row->make(c->row, &c->call, 1, &c->other) != BULLA_OK)
        (void)fprintf(stderr, "%s: %s\n", c->row->name, c->call.why);
    c->context = contract_context_new(c, texts, 2);
    *state = c;
    return c->key == NULL || c->other == NULL;
}

/* Nothing that was taken is left. */
static int contract_teardown(void **state)
{
    contract *c = *state;
    bulla_context_unref(c->context);
    bulla_provider_unref(c->key);
    bulla_provider_unref(c->other);
    size_t left = c->fake.num_live;
    if (left != 0) (void)fprintf(stderr, "%s: %zu blocks of memory are left\n", c->row->name, left);
    free(c);
    return left != 0;
}

contract_sample contract_sample_new(contract *c)
{
    contract_sample sample = {NULL, NULL};
    bulla_secret *opened = NULL;
    assert_ok(bulla_provider_datakey(c->key, &c->call, c->context, 32, &sample.dek, &sample.wrapped));
    assert_ok(bulla_provider_unwrap(c->key, &c->call, c->context, sample.wrapped, &opened));
    assert_same_key(sample.dek, opened);
    bulla_secret_unref(opened);
    return sample;
}

void contract_sample_done(contract_sample *sample)
{
    bulla_secret_unref(sample->dek);
    bulla_wrapped_free(sample->wrapped);
}

void assert_same_key(const bulla_secret *a, const bulla_secret *b)
{
    assert_true(bulla_secret_borrow(a).len > 0);
    assert_true(bulla_view_equal(bulla_secret_borrow(a), bulla_secret_borrow(b)));
}

void assert_refused(contract *c, bulla_provider *key, bulla_context *context, const bulla_wrapped *wrapped)
{
    bulla_secret *opened = NULL;
    bulla_status status = bulla_provider_unwrap(key, &c->call, context, wrapped, &opened);
    if (status != BULLA_ENOKEY) assert_status(status, BULLA_EINTEGRITY);
    assert_null(opened);
}

bulla_context *contract_context_new(contract *c, const char *const *texts, size_t num_pairs)
{
    bulla_pair pairs[4];
    bulla_context *context = NULL;
    assert_true(num_pairs <= BULLA_LEN(pairs));
    for (size_t i = 0; i < num_pairs; i++)
        pairs[i] = (bulla_pair){bulla_view_text(texts[2 * i]), bulla_view_text(texts[2 * i + 1])};
    assert_ok(bulla_context_new(&c->call, pairs, num_pairs, &context));
    return context;
}

bulla_view *contract_part(bulla_wrapped *wrapped, size_t part)
{
    return part == 0 ? &wrapped->provider : part == 1 ? &wrapped->info : &wrapped->blob;
}

static void add_checks(const contract_row *row, const contract_check *checks, size_t num_checks,
                       struct CMUnitTest tests[MAX_CHECKS], size_t *num_tests)
{
    for (size_t i = 0; i < num_checks; i++) {
        if (checks[i].needs_outage && row->down_set == NULL) continue;
        if (*num_tests == MAX_CHECKS) abort();
        tests[(*num_tests)++] = (struct CMUnitTest){.name = checks[i].name,
                                                    .test_func = checks[i].run,
                                                    .setup_func = contract_setup,
                                                    .teardown_func = contract_teardown,
                                                    .initial_state = (void *)(uintptr_t)row};
    }
}

static int run_row(const contract_row *row)
{
    struct CMUnitTest tests[MAX_CHECKS];
    size_t num_tests = 0;
    add_checks(row, roundtrip_checks, num_roundtrip_checks, tests, &num_tests);
    add_checks(row, damage_checks, num_damage_checks, tests, &num_tests);
    add_checks(row, conduct_checks, num_conduct_checks, tests, &num_tests);
    return _cmocka_run_group_tests(row->name, tests, num_tests, NULL, NULL);
}

static void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    (void)closedir(dir);
    (void)rmdir(path);
}

int main(void)
{
    char dir[] = "/tmp/bulla-contract-XXXXXX";
    int failed = 0;
    if (mkdtemp(dir) == NULL) return 1;
    contract_rows_prepare(dir);
    for (size_t i = 0; i < num_contract_rows; i++)
        failed += run_row(&contract_rows[i]);
    remove_dir(dir);
    return failed != 0;
}
