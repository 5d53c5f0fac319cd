/* SPDX-License-Identifier: Apache-2.0 */
#include "cmocka_all.h"
#include "fakes/memory_provider.h"
#include "fakes/scripted_provider.h"
#include "keystore_kit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const bulla_cache_options caching = {.size = sizeof caching, .ttl_ms = 60000};

static void test_a_house_without_a_keystore_says_so(void **state)
{
    kit *self = *state;
    bulla *house = NULL;
    bulla_provider *provider = NULL;
    const bulla_options options = {.size = sizeof options};
    assert_ok(bulla_open(&self->call, &options, &house));
    assert_status(bulla_provider_open(house, &self->call, "local:a", &provider), BULLA_ECONFIG);
    assert_status(bulla_key_create(house, &self->call, "a", NULL, NULL), BULLA_ECONFIG);
    assert_null(provider);
    bulla_close(house);
}

static bulla_status open_memory(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    unsigned *num = arg;
    ++*num;
    return memory_provider_new(call, address, 1, out_provider);
}

static void test_options_that_cannot_be_right_are_refused(void **state)
{
    kit *self = *state;
    bulla *house = NULL;
    const bulla_cache_options no_ttl = {.size = sizeof no_ttl};
    bulla_options options = {.size = 1};
    assert_status(bulla_open(&self->call, &options, &house), BULLA_EINVAL);
    options = (bulla_options){.size = sizeof options, .store = ""};
    assert_status(bulla_open(&self->call, &options, &house), BULLA_EINVAL);
    options = (bulla_options){.size = sizeof options, .aead = "rot13"};
    assert_status(bulla_open(&self->call, &options, &house), BULLA_EUNSUPPORTED);
    bulla_provider *provider = NULL;
    const bulla_scheme scheme = {.name = "memory", .open = open_memory};
    const bulla_cache_options no_size = {.ttl_ms = 1};
    options = (bulla_options){.size = sizeof options, .cache = &no_size};
    assert_status(bulla_open(&self->call, &options, &house), BULLA_EINVAL);
    assert_status(bulla_provider_open(NULL, &self->call, "env:A", &provider), BULLA_EINVAL);
    assert_status(bulla_scheme_add(NULL, &self->call, &scheme), BULLA_EINVAL);
    options = (bulla_options){.size = sizeof options, .cache = &no_ttl};
    assert_status(bulla_open(&self->call, &options, &house), BULLA_EINVAL);
    assert_null(house);
}

static void test_a_scheme_of_ones_own_opens_providers_behind_the_guard(void **state)
{
    kit *self = *state;
    unsigned num = 0;
    bulla_key_info info;
    const bulla_scheme scheme = {.name = "memory", .open = open_memory, .arg = &num};
    assert_ok(bulla_scheme_add(self->house, &self->call, &scheme));
    assert_status(bulla_scheme_add(self->house, &self->call, &scheme), BULLA_EEXISTS);
    bulla_provider *provider = kit_provider(self, "memory:x");
    assert_int_equal(num, 1);
    assert_ok(bulla_provider_describe(provider, &self->call, &info));
    memcpy(self->call.principal, "a\x1b[2J", 6);
    assert_status(bulla_provider_describe(provider, &self->call, &info), BULLA_EAUTHN);
    bulla_provider_unref(provider);
}

static void test_a_key_that_lies_open_is_said_to_be_for_development(void **state)
{
    kit *self = *state;
    const char *const addresses[] = {"env:MASTER", self->root}, *const words[] = {"can read the key: env:MASTER",
                                                                                  "reads the file"};
    fake_env_var_set(&self->world, "MASTER", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    kit_key(self, "a"); /* under the same file, which is no news to who made the keystore */
    assert_null(strstr(self->world.last_line, "development"));
    for (size_t i = 0; i < BULLA_LEN(addresses); i++) {
        bulla_provider *provider = kit_provider(self, addresses[i]);
        assert_non_null(strstr(self->world.last_line, "for development"));
        assert_non_null(strstr(self->world.last_line, words[i]));
        assert_null(strstr(self->world.last_line, "AAECAw"));
        bulla_provider_unref(provider);
    }
}

static void test_a_provider_outlives_the_house_that_opened_it(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 3);
    bulla_provider *provider = kit_provider(self, "local:a");
    bulla_secret *dek = NULL;
    bulla_close(self->house);
    self->house = NULL;
    assert_ok(bulla_provider_unwrap(provider, &self->call, NULL, wrapped, &dek));
    bulla_secret_unref(dek);
    bulla_wrapped_free(wrapped);
    bulla_provider_unref(provider);
}

static bulla_status unwrap(kit *self, bulla_provider *provider, const bulla_wrapped *wrapped)
{
    bulla_secret *dek = NULL;
    bulla_status status = bulla_provider_unwrap(provider, &self->call, NULL, wrapped, &dek);
    bulla_secret_unref(dek);
    return status;
}

static void test_a_key_that_is_stopped_is_out_of_every_cache_of_the_house(void **state)
{
    kit *self = *state;
    bulla_close(self->house);
    self->house = kit_house_open(self, &caching);
    kit_key(self, "a");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 3);
    bulla_provider *named = kit_provider(self, "local:a"), *any = kit_provider(self, "local:");
    assert_ok(unwrap(self, named, wrapped));
    assert_ok(unwrap(self, any, wrapped));
    assert_ok(bulla_key_disable(self->house, &self->call, "a"));
    assert_status(unwrap(self, named, wrapped), BULLA_ESTATE);
    assert_status(unwrap(self, any, wrapped), BULLA_ESTATE);
    assert_ok(bulla_key_enable(self->house, &self->call, "a"));
    assert_ok(unwrap(self, named, wrapped));
    assert_ok(bulla_key_deletion_schedule(self->house, &self->call, "a", 7, NULL));
    assert_status(unwrap(self, named, wrapped), BULLA_ESTATE);
    bulla_provider_unref(named);
    bulla_provider_unref(any);
    bulla_wrapped_free(wrapped);
}

typedef struct scripted_store {
    kit *self;
    scripted_step step;
    scripted_provider *opened[4];
    size_t num;
} scripted_store;

static bulla_status open_scripted(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    scripted_store *store = arg;
    scripted_provider *scripted = NULL;
    BULLA_AUTO(bulla_provider) *memory = NULL;
    assert_in_range(store->num, 0, BULLA_LEN(store->opened) - 1);
    BULLA_TRY(memory_provider_new(call, address, 1, &memory));
    BULLA_TRY(scripted_provider_new(call, memory, &store->self->world, &scripted));
    scripted_provider_play(scripted, &store->step, 1);
    store->opened[store->num++] = scripted;
    *out_provider = &scripted->base.base;
    return BULLA_OK;
}

/* The store answers a rotation with `status`: does another provider of that key still have what it cached? */
static bool is_cached_after_rotation(kit *self, const char *address, bulla_status status)
{
    scripted_store store = {.self = self, .step = {.status = status, .acts = true, .only = BULLA_OP_ROTATE}};
    char name[] = {address[0], '\0'};
    const bulla_scheme scheme = {.name = name, .open = open_scripted, .arg = &store};
    assert_ok(bulla_scheme_add(self->house, &self->call, &scheme));
    bulla_provider *caching_one = kit_provider(self, address), *rotating_one = kit_provider(self, address);
    bulla_wrapped *wrapped = kit_wrap(self, address, 3);
    uint32_t version = 0;
    assert_ok(unwrap(self, caching_one, wrapped));
    assert_status(bulla_provider_rotate(rotating_one, &self->call, &version), status);
    size_t num_before = store.opened[0]->num_calls;
    assert_ok(unwrap(self, caching_one, wrapped));
    bool is_cached = store.opened[0]->num_calls == num_before;
    bulla_provider_unref(caching_one);
    bulla_provider_unref(rotating_one);
    bulla_wrapped_free(wrapped);
    return is_cached;
}

static void test_a_rotation_that_may_have_happened_is_seen_by_every_cache_of_the_house(void **state)
{
    kit *self = *state;
    bulla_close(self->house);
    self->house = kit_house_open(self, &caching);
    assert_true(is_cached_after_rotation(self, "r:x", BULLA_EAUTHZ));
    assert_false(is_cached_after_rotation(self, "u:x", BULLA_EUNKNOWN));
}

static void test_a_provider_means_the_key_it_was_opened_for(void **state)
{
    kit *self = *state;
    bulla_key_info info;
    kit_key(self, "a");
    kit_key(self, "b");
    assert_ok(bulla_key_alias_set(self->house, &self->call, "main", "a"));
    bulla_provider *provider = kit_provider(self, "local:main");
    assert_ok(bulla_key_alias_set(self->house, &self->call, "main", "b"));
    assert_ok(bulla_provider_describe(provider, &self->call, &info));
    assert_string_equal(info.name, "a");
    uint32_t version = 0;
    assert_ok(bulla_provider_rotate(provider, &self->call, &version));
    assert_int_equal(version, 2);
    bulla_provider_unref(provider);
    provider = NULL;
    assert_status(bulla_provider_open(self->house, &self->call, "local:none", &provider), BULLA_ENOKEY);
    assert_status(bulla_provider_open(self->house, &self->call, "local:a?x=1", &provider), BULLA_EINVAL);
}

static void test_the_provider_of_any_key_wraps_with_none(void **state)
{
    kit *self = *state;
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    bulla_provider *any = kit_provider(self, "local:");
    assert_ok(bulla_secret_random(&self->call, 32, &dek));
    assert_status(bulla_provider_wrap(any, &self->call, NULL, dek, &wrapped), BULLA_EUNSUPPORTED);
    bulla_secret_unref(dek);
    bulla_provider_unref(any);
}

/* In a child: what a rotation in a house of its own says. */
static int child_rotate(kit *self)
{
    bulla *own = NULL;
    const bulla_options options = {.size = sizeof options, .store = self->store};
    if (bulla_open(&self->call, &options, &own) != BULLA_OK) return 99;
    bulla_status status = bulla_key_rotate(own, &self->call, "a", NULL);
    bulla_close(own);
    return (int)status;
}

static int exit_code(pid_t child)
{
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    return WEXITSTATUS(how);
}

/* SQLite takes the locks that it noted before the fork for held: what the child writes would be lost. */
static void test_a_child_forked_with_a_keystore_open_opens_none(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    pid_t child = fork();
    if (child == 0) {
        bulla_key_info info;
        bool refused = bulla_key_info_get(self->house, &self->call, "a", &info) == BULLA_EINTERNAL;
        bulla_close(self->house);
        _exit(refused ? child_rotate(self) : 98);
    }
    assert_int_equal(exit_code(child), BULLA_EINTERNAL);
    assert_int_equal(kit_info(self, "a").primary_version, 1);
}

static void test_a_child_forked_before_opens_its_own_keystore(void **state)
{
    kit *self = *state;
    kit_key(self, "a");
    bulla_close(self->house);
    pid_t child = fork();
    if (child == 0) _exit(child_rotate(self));
    int code = exit_code(child);
    self->house = kit_house_open(self, NULL);
    assert_int_equal(code, BULLA_OK);
    assert_int_equal(kit_info(self, "a").primary_version, 2);
    kit_sound(self);
}

typedef struct worker {
    bulla *house;
    const bulla_wrapped *wrapped;
    bulla_status status;
} worker;

static void *unwrap_and_rotate(void *arg)
{
    worker *self = arg;
    bulla_call call;
    bulla_provider *provider = NULL;
    bulla_call_init(&call, NULL);
    self->status = bulla_provider_open(self->house, &call, "local:a", &provider);
    for (int i = 0; i < 50 && self->status == BULLA_OK; i++) {
        bulla_secret *dek = NULL;
        self->status = bulla_provider_unwrap(provider, &call, NULL, self->wrapped, &dek);
        bulla_secret_unref(dek);
        if (i % 10 == 0 && self->status == BULLA_OK) self->status = bulla_key_rotate(self->house, &call, "a", NULL);
    }
    bulla_provider_unref(provider);
    return NULL;
}

static void test_threads_and_houses_work_on_one_keystore_at_once(void **state)
{
    kit *self = *state;
    pthread_t threads[4];
    worker workers[4];
    kit_key(self, "a");
    bulla_wrapped *wrapped = kit_wrap(self, "local:a", 3);
    bulla *other = kit_house_open(self, &caching);
    for (unsigned i = 0; i < 4; i++) {
        workers[i] = (worker){i % 2 == 0 ? self->house : other, wrapped, BULLA_OK};
        assert_int_equal(pthread_create(&threads[i], NULL, unwrap_and_rotate, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(workers[i].status);
    }
    assert_int_equal(kit_info(self, "a").primary_version, 21);
    bulla_close(other);
    bulla_wrapped_free(wrapped);
    kit_sound(self);
}

/* A root key's provider that stalls, for two seconds at most, once `armed`. */
static struct stall {
    bool armed, inside, over;
} stall;

static void stall_hook(void *arg)
{
    struct stall *self = arg;
    __atomic_store_n(&self->inside, __atomic_load_n(&self->armed, __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
    for (int i = 0; i < 2000 && self->inside && !__atomic_load_n(&self->over, __ATOMIC_ACQUIRE); i++)
        (void)usleep(1000);
}

static bulla_status open_stalling(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    bulla_provider *provider = NULL;
    bulla_status status = memory_provider_new(call, address, 1, &provider);
    if (status != BULLA_OK) return status;
    memory_provider_hook_set(provider, stall_hook, arg);
    *out_provider = provider;
    return BULLA_OK;
}

static void *create_slowly(void *arg)
{
    worker *self = arg;
    bulla_call call;
    bulla_call_init(&call, NULL);
    self->status = bulla_key_create(self->house, &call, "slow", NULL, NULL);
    return NULL;
}

static void test_a_call_that_waits_for_another_keeps_its_deadline(void **state)
{
    kit *self = *state;
    bulla_call call;
    bulla_keystore_info info;
    pthread_t thread;
    worker slow = {.house = self->house};
    const bulla_scheme scheme = {.name = "stalling", .open = open_stalling, .arg = &stall};
    assert_ok(bulla_scheme_add(self->house, &self->call, &scheme));
    assert_ok(bulla_keystore_create(self->house, &self->call, "stalling:x"));
    __atomic_store_n(&stall.armed, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_create(&thread, NULL, create_slowly, &slow), 0);
    while (!__atomic_load_n(&stall.inside, __ATOMIC_ACQUIRE))
        (void)usleep(1000);
    bulla_call_init(&call, NULL);
    bulla_call_deadline_set(&call, 30);
    assert_status(bulla_keystore_info_get(self->house, &call, &info), BULLA_EDEADLINE);
    __atomic_store_n(&stall.over, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(slow.status);
}

static void *stalling_alloc(void *arg, size_t len)
{
    stall_hook(arg);
    return malloc(len);
}

static void *open_slowly(void *arg)
{
    worker *self = arg;
    static bulla_env env; /* what is opened with it needs it as long as it is open */
    bulla_call call;
    bulla_keystore_info info;
    env = *bulla_env_default();
    env.alloc = stalling_alloc;
    env.arg = &stall;
    bulla_call_init(&call, &env);
    self->status = bulla_keystore_info_get(self->house, &call, &info);
    return NULL;
}

static void test_a_call_that_waits_for_the_keystore_to_be_opened_keeps_its_deadline(void **state)
{
    kit *self = *state;
    bulla_call call;
    bulla_keystore_info info;
    pthread_t thread;
    worker slow = {.house = self->house};
    stall = (struct stall){.armed = true};
    assert_int_equal(pthread_create(&thread, NULL, open_slowly, &slow), 0);
    while (!__atomic_load_n(&stall.inside, __ATOMIC_ACQUIRE))
        (void)usleep(1000);
    bulla_call_init(&call, NULL);
    bulla_call_deadline_set(&call, 30);
    int64_t start_ns = call.env->ticks_ns(call.env->arg);
    assert_status(bulla_keystore_info_get(self->house, &call, &info), BULLA_EDEADLINE);
    assert_true(call.env->ticks_ns(call.env->arg) - start_ns < 1000000000); /* the other one still stalls */
    __atomic_store_n(&stall.over, true, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(slow.status);
}

/* A back end that has its own key in the keystore that it protects, once it is told to. */
static struct circle {
    kit *self;
    bool closed;
} circle;

static bulla_status open_circle(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    struct circle *round = arg;
    bulla_provider *inner = NULL;
    if (!round->closed) return memory_provider_new(call, address, 1, out_provider);
    bulla_status status = bulla_provider_open(round->self->house, call, "local:a", &inner);
    bulla_provider_unref(inner);
    return status == BULLA_OK ? memory_provider_new(call, address, 1, out_provider) : status;
}

static void test_a_root_key_that_needs_the_keystore_is_refused_and_does_not_hang(void **state)
{
    kit *self = *state;
    bulla_call call;
    circle = (struct circle){self, false};
    const bulla_scheme scheme = {.name = "circle", .open = open_circle, .arg = &circle};
    kit_key(self, "a");
    assert_ok(bulla_scheme_add(self->house, &self->call, &scheme));
    assert_ok(bulla_keystore_root_rotate(self->house, &self->call, "circle:x"));
    kit_house_again(self);
    assert_ok(bulla_scheme_add(self->house, &self->call, &scheme));
    circle.closed = true;
    bulla_call_init(&call, NULL);
    bulla_call_deadline_set(&call, 2000);
    assert_status(bulla_key_create(self->house, &call, "b", NULL, NULL), BULLA_EINVAL);
    assert_non_null(strstr(call.why, "must not need it itself"));
    circle.closed = false;
    kit_key(self, "b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_call_that_waits_for_another_keeps_its_deadline, kit_setup_bare,
                                        kit_teardown),
#define TEST(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)
        TEST(test_a_house_without_a_keystore_says_so),
        TEST(test_options_that_cannot_be_right_are_refused),
        TEST(test_a_scheme_of_ones_own_opens_providers_behind_the_guard),
        TEST(test_a_key_that_lies_open_is_said_to_be_for_development),
        TEST(test_a_provider_outlives_the_house_that_opened_it),
        TEST(test_a_key_that_is_stopped_is_out_of_every_cache_of_the_house),
        TEST(test_a_rotation_that_may_have_happened_is_seen_by_every_cache_of_the_house),
        TEST(test_a_provider_means_the_key_it_was_opened_for),
        TEST(test_the_provider_of_any_key_wraps_with_none),
        TEST(test_a_child_forked_with_a_keystore_open_opens_none),
        TEST(test_a_child_forked_before_opens_its_own_keystore),
        TEST(test_a_call_that_waits_for_the_keystore_to_be_opened_keeps_its_deadline),
        TEST(test_a_root_key_that_needs_the_keystore_is_refused_and_does_not_hang),
        TEST(test_threads_and_houses_work_on_one_keystore_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
