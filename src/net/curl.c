/* SPDX-License-Identifier: Apache-2.0 */
#include "net/curl.h"

#include "base/heap.h"
#include "base/mem.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libcurl.so.4"
#define OLDEST 0x075800 /* 7.88: a name that does not resolve ends with the request, not with the resolver */
#define KEEPS_SENT 0x080700u

static bulla_curl loaded;
static char missing[160]; /* why it is not loaded; empty: it is */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool is_used; /* libcurl has taken memory from us */
static size_t num_refused;

/* Before a write the value is looked at, for the line of memory would pass between processors at every block. */
static void *count_block(void *block)
{
    if (!__atomic_load_n(&is_used, __ATOMIC_RELAXED)) __atomic_store_n(&is_used, true, __ATOMIC_RELAXED);
    if (block == NULL) (void)__atomic_add_fetch(&num_refused, 1, __ATOMIC_RELAXED);
    return block;
}

static void *heap_new(size_t len)
{
    return count_block(bulla_heap_new(len));
}

static void *heap_new_zeroed(size_t num, size_t len)
{
    return count_block(bulla_heap_new_zeroed(num, len));
}

static void *heap_grow(void *ptr, size_t len)
{
    return count_block(bulla_heap_grow(ptr, len));
}

static char *heap_copy_text(const char *text)
{
    return count_block(bulla_heap_copy_text(text));
}

size_t bulla_curl_num_refused(void)
{
    return __atomic_load_n(&num_refused, __ATOMIC_RELAXED);
}

/* POSIX lets a symbol's address be read as a function's; C does not: hence the copy. */
static bool find_symbol(void *library, const char *name, void *out_function)
{
    void *symbol = dlsym(library, name);
    memcpy(out_function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static bool find_functions(void *library)
{
#define FIND(name)                                                                                                     \
    if (!find_symbol(library, "curl_" #name, &loaded.name)) return false;
    BULLA_CURL_TABLE(FIND)
#undef FIND
    return true;
}

/* libcurl's own OpenSSL, which is not ours where the command has that linked in. */
static void find_openssl(void *library, const curl_version_info_data *info)
{
    if (info->ssl_version == NULL || strncmp(info->ssl_version, "OpenSSL/3", 9) != 0) return;
    if (!find_symbol(library, "SSL_CTX_set_options", &loaded.tls_options_set)) return;
    (void)find_symbol(library, "SSL_CTX_set_keylog_callback", &loaded.tls_keylog_set);
}

/* An initialised libcurl keeps the memory functions it has: an easy handle shows whose they are. */
static bool init_library(void)
{
    if (loaded.global_init_mem(CURL_GLOBAL_DEFAULT, heap_new, bulla_heap_free, heap_grow, heap_copy_text,
                               heap_new_zeroed) != CURLE_OK)
        return false;
    loaded.easy_cleanup(loaded.easy_init());
    loaded.wipes = __atomic_load_n(&is_used, __ATOMIC_RELAXED);
    return true;
}

static void load_library(void)
{
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)snprintf(missing, sizeof missing, "install libcurl4 (%s)", dlerror());
        return;
    }
    (void)snprintf(missing, sizeof missing, "the installed one is older than 7.88 or built without TLS");
    if (!find_functions(library)) return;
    const curl_version_info_data *info = loaded.version_info(CURLVERSION_NOW);
    if (info->version_num < OLDEST || (info->features & CURL_VERSION_SSL) == 0) return;
    find_openssl(library, info);
    loaded.keeps_sent = info->version_num >= KEEPS_SENT;
    (void)snprintf(missing, sizeof missing, "it could not be initialised");
    if (init_library()) missing[0] = '\0';
}

bulla_status bulla_curl_get(bulla_call *call, const bulla_curl **out_curl)
{
    (void)pthread_once(&once, load_library);
    if (missing[0] != '\0')
        return bulla_fail(call, BULLA_EUNAVAIL, "key stores on the network need " LIBRARY ": %s", missing);
    *out_curl = &loaded;
    return BULLA_OK;
}
