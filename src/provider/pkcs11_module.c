/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 modules: shared objects of somebody else, loaded once and kept. They are neither finalised nor unloaded:
 * other parts of the program may use the same module, and few modules bear it. A forked child initialises them anew
 * (PKCS #11 2.40, 6.7.1: what the parent had is not usable there).
 */
#include "base/bytes.h"
#include "base/heap.h"
#include "base/mem.h"
#include "base/wait.h"
#include "provider/pkcs11.h"

#include <dlfcn.h>
#include <pthread.h>

#define MAX_STEPS 40u                                /* of BULLA_WAIT_STEP_NS, for requests that are inside */
#define RESTART_NS INT64_C(1000000000)               /* between two restarts */
#define SHARED_RESTART_NS (INT64_C(30) * 1000000000) /* where another token's requests pay for them */

struct bulla_pkcs11_module {
    struct bulla_pkcs11_module *next;
    void *library;
    CK_FUNCTION_LIST *functions;
    size_t ready_in, begun_in;    /* generations; 0: none. begun: it was initialised in, be it ready or not */
    size_t busy_in, login_in;     /* generations that initialise it, or log in through it */
    size_t num_inside, inside_of; /* requests in it, of this generation */
    size_t life;                  /* counts how often it was initialised */
    bool is_ours;                 /* nobody else has initialised it before us */
    int64_t restarted_ns, served_ns;
    char served_serial[17]; /* of the token that served last */
    char path[512];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static size_t generation = 1;
static bulla_pkcs11_module *modules; /* for ever, as what they load is */

/* --- the lock --- */

static void before_fork(void)
{
    (void)pthread_mutex_lock(&lock);
}

static void after_fork(void)
{
    (void)pthread_mutex_unlock(&lock);
}

/* The condition may have had waiters, who are not here. */
static void enter_child(void)
{
    generation++;
    bulla_cond_init(&changed);
    (void)pthread_mutex_unlock(&lock);
}

static void start(void)
{
    bulla_cond_init(&changed);
    (void)pthread_atfork(before_fork, after_fork, enter_child);
}

void bulla_pkcs11_lock(void)
{
    (void)pthread_once(&once, start);
    (void)pthread_mutex_lock(&lock);
}

void bulla_pkcs11_unlock(void)
{
    (void)pthread_mutex_unlock(&lock);
}

void bulla_pkcs11_doze(int64_t ns)
{
    bulla_cond_doze(&changed, &lock, ns);
}

void bulla_pkcs11_wake(void)
{
    (void)pthread_cond_broadcast(&changed);
}

size_t bulla_pkcs11_generation(void)
{
    return generation;
}

bulla_status bulla_pkcs11_busy_take(bulla_call *call, size_t *busy)
{
    while (*busy == generation) {
        BULLA_TRY(bulla_call_check(call));
        bulla_pkcs11_doze(BULLA_WAIT_STEP_NS);
    }
    *busy = generation;
    return BULLA_OK;
}

/* --- modules --- */

static bulla_pkcs11_module *find(const char *path)
{
    for (bulla_pkcs11_module *module = modules; module != NULL; module = module->next)
        if (strcmp(module->path, path) == 0) return module;
    return NULL;
}

bulla_status bulla_pkcs11_module_get(bulla_call *call, const char *path, bulla_pkcs11_module **out_module)
{
    size_t len = strlen(path);
    if (path[0] != '/' || len >= sizeof modules->path)
        return bulla_fail(call, BULLA_ECONFIG, "the path of a PKCS#11 module is absolute and has at most %zu bytes",
                          sizeof modules->path - 1);
    bulla_pkcs11_lock();
    bulla_pkcs11_module *module = find(path);
    if (module == NULL) module = bulla_heap_new_zeroed(1, sizeof *module);
    if (module != NULL && module->path[0] == '\0') {
        memcpy(module->path, path, len + 1);
        module->next = modules;
        modules = module;
    }
    bulla_pkcs11_unlock();
    if (module == NULL) return bulla_fail(call, BULLA_ENOMEM, "no memory for a PKCS#11 module");
    *out_module = module;
    return BULLA_OK;
}

/* POSIX lets a symbol's address be read as a function's; C does not: hence the copy. */
static bulla_status load(bulla_pkcs11_module *module, bulla_call *call)
{
    CK_C_GetFunctionList get = NULL;
    CK_FUNCTION_LIST *functions = NULL;
    if (module->functions != NULL) return BULLA_OK;
    if (module->library == NULL) module->library = dlopen(module->path, RTLD_NOW | RTLD_LOCAL);
    if (module->library == NULL)
        return bulla_fail(call, BULLA_ECONFIG, "PKCS#11 module: %.180s", dlerror()); /* names the path */
    void *symbol = dlsym(module->library, "C_GetFunctionList");
    memcpy(&get, &symbol, sizeof symbol);
    CK_RV rv = get == NULL ? CKR_FUNCTION_NOT_SUPPORTED : get(&functions);
    if (rv != CKR_OK || functions == NULL || functions->version.major < 2)
        return bulla_fail(call, BULLA_ECONFIG, "%.160s is not a PKCS#11 module of version 2 or later", module->path);
    module->functions = functions;
    return BULLA_OK;
}

/* A module that has its parent's state believes itself initialised: in a child that is no answer. */
static CK_RV initialise(const CK_FUNCTION_LIST *functions, bool is_child, bool *out_ours)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv = functions->C_Initialize(&args);
    if (rv == CKR_CRYPTOKI_ALREADY_INITIALIZED && is_child) {
        (void)functions->C_Finalize(NULL);
        rv = functions->C_Initialize(&args);
    }
    *out_ours = rv == CKR_OK;
    return rv == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : rv;
}

/* Without the lock, by whoever has the module busy; *out_ours is for the module, with the lock. */
static bulla_status make_ready(bulla_pkcs11_module *module, bulla_call *call, bool is_child, bool *out_ours)
{
    char name[32];
    BULLA_TRY(load(module, call));
    CK_RV rv = initialise(module->functions, is_child, out_ours);
    if (rv == CKR_OK) return BULLA_OK;
    bulla_status status = rv == CKR_CANT_LOCK || rv == CKR_ARGUMENTS_BAD ? BULLA_EUNSUPPORTED : bulla_pkcs11_status(rv);
    status = bulla_fail(call, status, "PKCS#11 module %.140s cannot be initialised: %s%s", module->path,
                        bulla_pkcs11_name(rv, name), rv == CKR_CANT_LOCK ? "; it does not bear several threads" : "");
    if (call != NULL) call->native = (long)rv;
    return status;
}

/* With the lock held and the module busy: nobody new gets in, and those inside are waited for. */
static bool wait_until_empty(const bulla_pkcs11_module *module, bulla_call *call)
{
    for (unsigned step = 0; module->num_inside != 0 && module->inside_of == generation; step++) {
        if (step == MAX_STEPS || bulla_call_check(call) != BULLA_OK) return false;
        bulla_pkcs11_doze(BULLA_WAIT_STEP_NS);
    }
    return true;
}

/* With the lock held and the module busy and empty: a new life. */
static bulla_status begin_anew(bulla_pkcs11_module *module, bulla_call *call, bool wants_end)
{
    size_t now = generation;
    bool is_child = module->begun_in != 0 && module->begun_in != now, is_ours = false;
    module->begun_in = now;
    bulla_pkcs11_unlock();
    if (wants_end) (void)module->functions->C_Finalize(NULL);
    bulla_status status = make_ready(module, call, is_child, &is_ours);
    bulla_pkcs11_lock();
    module->is_ours = is_ours;
    module->life++;
    if (status == BULLA_OK) module->ready_in = now;
    return status;
}

/* With the lock held and the module busy. After somebody else has finalised it there may be requests inside yet, whose
 * sessions are gone: were it initialised under them, they could go on with sessions of others that have their numbers.
 */
static bulla_status ready_alone(bulla_pkcs11_module *module, bulla_call *call)
{
    if (module->ready_in == generation) return BULLA_OK;
    if (wait_until_empty(module, call)) return begin_anew(module, call, false);
    BULLA_TRY(bulla_call_check(call));
    return bulla_fail(call, BULLA_EUNAVAIL,
                      "PKCS#11 module %.140s was finalised by another part of the program and is still in use",
                      module->path);
}

bulla_status bulla_pkcs11_module_ready(bulla_pkcs11_module *module, bulla_call *call)
{
    bulla_status status = BULLA_OK;
    bulla_pkcs11_lock();
    bool is_ready = module->ready_in == generation;
    if (!is_ready) status = bulla_pkcs11_busy_take(call, &module->busy_in);
    if (!is_ready && status == BULLA_OK) {
        status = ready_alone(module, call);
        module->busy_in = 0;
        bulla_pkcs11_wake();
    }
    bulla_pkcs11_unlock();
    return status;
}

CK_FUNCTION_LIST *bulla_pkcs11_module_enter(bulla_pkcs11_module *module, size_t *out_life)
{
    bulla_pkcs11_lock();
    if (module->inside_of != generation) module->num_inside = 0;
    module->inside_of = generation;
    bool is_ready = module->ready_in == generation;
    if (is_ready) module->num_inside++;
    if (is_ready) *out_life = module->life;
    bulla_pkcs11_unlock();
    return is_ready ? module->functions : NULL;
}

void bulla_pkcs11_module_leave(bulla_pkcs11_module *module, const bulla_pkcs11_lease *served, int64_t now_ns)
{
    bulla_pkcs11_lock();
    if (served != NULL) {
        memcpy(module->served_serial, served->serial, sizeof module->served_serial);
        module->served_ns = now_ns;
    }
    if (module->inside_of == generation && module->num_inside != 0) module->num_inside--;
    bulla_pkcs11_wake();
    bulla_pkcs11_unlock();
}

/* A clock that went back is another one's. */
static bool is_past(int64_t since_ns, int64_t now_ns, int64_t span_ns)
{
    return now_ns < since_ns || now_ns - since_ns >= span_ns;
}

/* With the lock held. */
static bool may_restart(const bulla_pkcs11_module *module, const char *serial, int64_t now_ns)
{
    if (!module->is_ours || module->busy_in == generation || module->ready_in != generation) return false;
    bool is_shared =
        strcmp(module->served_serial, serial) != 0 && !is_past(module->served_ns, now_ns, SHARED_RESTART_NS);
    return is_past(module->restarted_ns, now_ns, is_shared ? SHARED_RESTART_NS : RESTART_NS);
}

bool bulla_pkcs11_module_restart(bulla_pkcs11_module *module, const char *serial, bulla_call *call)
{
    const bulla_env *env = bulla_env_of(call);
    int64_t now_ns = env->ticks_ns(env->arg);
    bool is_done = false;
    bulla_pkcs11_lock();
    if (may_restart(module, serial, now_ns)) {
        module->busy_in = generation;
        module->ready_in = 0;
        module->restarted_ns = now_ns;
        if (wait_until_empty(module, call))
            is_done = begin_anew(module, NULL, true) == BULLA_OK;
        else
            module->ready_in = generation; /* as it was */
        module->busy_in = 0;
        bulla_pkcs11_wake();
    }
    bulla_pkcs11_unlock();
    return is_done;
}

void bulla_pkcs11_module_forget(bulla_pkcs11_module *module)
{
    bulla_pkcs11_lock();
    module->ready_in = 0;
    bulla_pkcs11_unlock();
}

/* --- logging in --- */

bulla_status bulla_pkcs11_login_begin(bulla_pkcs11_module *module, bulla_call *call)
{
    bulla_pkcs11_lock();
    bulla_status status = bulla_pkcs11_busy_take(call, &module->login_in);
    bulla_pkcs11_unlock();
    return status;
}

void bulla_pkcs11_login_end(bulla_pkcs11_module *module)
{
    bulla_pkcs11_lock();
    module->login_in = 0;
    bulla_pkcs11_wake();
    bulla_pkcs11_unlock();
}
