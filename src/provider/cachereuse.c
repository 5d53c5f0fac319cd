/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/cachereuse.h"

#include "base/bytes.h"
#include "base/context.h"
#include "base/mem.h"
#include "base/secret.h"

#include <pthread.h>

#define NUM_SETS 64u
#define NUM_WAYS 4u
#define CONTEXT_MAX 4096u /* bytes; a longer one gets keys of its own */
#define DEFAULT_MESSAGES (UINT64_C(1) << 32)

typedef struct shared_key {
    bulla_secret *dek; /* NULL: nothing here */
    bulla_wrapped *wrapped;
    uint8_t *context; /* a copy */
    size_t context_len, len;
    int64_t born_ns;
    uint64_t messages, bytes;
} shared_key;

/* Zeros are a mutex that nobody holds and no keys. */
typedef struct shelf {
    pthread_mutex_t lock;
    uint64_t generation; /* counts purges */
    uint64_t next_way;
    shared_key keys[NUM_SETS][NUM_WAYS];
} shelf;

static shelf *shelf_of(const bulla_reuse *reuse)
{
    return reuse->memory == NULL ? NULL : (shelf *)(void *)bulla_secret_fill(reuse->memory);
}

bulla_status bulla_reuse_init(bulla_reuse *reuse, bulla_call *call, const bulla_cache_options *options,
                              const bulla_keyhash *hash)
{
    *reuse = (bulla_reuse){.env = bulla_env_of(call),
                           .hash = hash,
                           .age_ns = options->reuse_ms * INT64_C(1000000),
                           .max_messages = options->reuse_messages,
                           .max_bytes = options->reuse_bytes};
    if (reuse->max_messages == 0 || reuse->max_messages > DEFAULT_MESSAGES) reuse->max_messages = DEFAULT_MESSAGES;
    if (options->reuse_ms == 0) return BULLA_OK;
    return bulla_secret_new(call, sizeof(shelf), &reuse->memory);
}

static void key_drop(const bulla_reuse *reuse, shared_key *key)
{
    bulla_secret_unref(key->dek);
    bulla_wrapped_free(key->wrapped);
    bulla_free(reuse->env, key->context);
    *key = (shared_key){.dek = NULL};
}

void bulla_reuse_done(bulla_reuse *reuse)
{
    bulla_reuse_purge(reuse, (bulla_view){NULL, 0});
    bulla_secret_unref(reuse->memory);
}

/* Only what says that it is a message: whoever asks for a bare data key may count its uses. A signed message's context
 * holds a key that no other has. Where bytes are limited, an unknown number is too many. */
static bool is_shareable(const bulla_reuse *reuse, const bulla_reuse_request *request)
{
    bulla_view unused;
    if (request->message_len == 0 || bulla_context_bytes(request->context).len > CONTEXT_MAX) return false;
    if (bulla_context_find(request->context, bulla_view_text(BULLA_CONTEXT_PUBLIC_KEY), &unused)) return false;
    return reuse->max_bytes == 0 || request->message_len <= reuse->max_bytes;
}

static shared_key *set_of(const bulla_reuse *reuse, shelf *all, const bulla_reuse_request *request)
{
    const bulla_view parts[4] = {bulla_context_bytes(request->context),
                                 bulla_view_of(&request->len, sizeof request->len)};
    return all->keys[bulla_keyhash_parts(reuse->hash, parts) % NUM_SETS];
}

static bool is_for(const shared_key *key, const bulla_reuse_request *request)
{
    return key->dek != NULL && key->len == request->len &&
           bulla_view_equal(bulla_view_of(key->context, key->context_len), bulla_context_bytes(request->context));
}

/* With the lock held. A key that has reached a limit goes. */
static bool use(const bulla_reuse *reuse, shared_key *key, const bulla_reuse_request *request, bulla_secret **out_dek,
                bulla_wrapped **out_wrapped)
{
    bulla_call aside = {.env = reuse->env};
    if (request->now_ns - key->born_ns >= reuse->age_ns || key->messages >= reuse->max_messages ||
        (reuse->max_bytes != 0 && key->bytes + request->message_len > reuse->max_bytes)) {
        key_drop(reuse, key);
        return false;
    }
    if (bulla_wrapped_copy(&aside, key->wrapped, out_wrapped) != BULLA_OK) return false;
    key->messages++;
    if (reuse->max_bytes != 0) key->bytes += request->message_len;
    *out_dek = bulla_secret_ref(key->dek);
    return true;
}

bool bulla_reuse_take(bulla_reuse *reuse, bulla_reuse_request *request, bulla_secret **out_dek,
                      bulla_wrapped **out_wrapped)
{
    shelf *all = shelf_of(reuse);
    bool taken = false;
    if (all == NULL || !is_shareable(reuse, request)) return false;
    (void)pthread_mutex_lock(&all->lock);
    request->generation = all->generation;
    shared_key *set = set_of(reuse, all, request);
    for (size_t i = 0; i < NUM_WAYS && !taken; i++)
        if (is_for(&set[i], request)) taken = use(reuse, &set[i], request, out_dek, out_wrapped);
    (void)pthread_mutex_unlock(&all->lock);
    return taken;
}

static bool key_make(const bulla_reuse *reuse, const bulla_reuse_request *request, bulla_secret *dek,
                     const bulla_wrapped *wrapped, shared_key *out_key)
{
    bulla_call aside = {.env = reuse->env};
    bulla_view context = bulla_context_bytes(request->context);
    void *copy = NULL;
    if (bulla_alloc(&aside, context.len, &copy) != BULLA_OK) return false;
    bulla_copy(copy, context.data, context.len);
    *out_key = (shared_key){.dek = bulla_secret_ref(dek),
                            .context = copy,
                            .context_len = context.len,
                            .len = request->len,
                            .born_ns = request->now_ns,
                            .messages = 1,
                            .bytes = request->message_len};
    if (bulla_wrapped_copy(&aside, wrapped, &out_key->wrapped) == BULLA_OK) return true;
    key_drop(reuse, out_key);
    return false;
}

/* The place of a key for the same, else a free one, else each in turn. */
static shared_key *place_for(shelf *all, shared_key *set, const bulla_reuse_request *request)
{
    for (size_t i = 0; i < NUM_WAYS; i++)
        if (is_for(&set[i], request)) return &set[i];
    for (size_t i = 0; i < NUM_WAYS; i++)
        if (set[i].dek == NULL) return &set[i];
    return &set[all->next_way++ % NUM_WAYS];
}

void bulla_reuse_put(bulla_reuse *reuse, const bulla_reuse_request *request, bulla_secret *dek,
                     const bulla_wrapped *wrapped)
{
    shelf *all = shelf_of(reuse);
    shared_key made;
    if (all == NULL || !is_shareable(reuse, request) || !key_make(reuse, request, dek, wrapped, &made)) return;
    (void)pthread_mutex_lock(&all->lock);
    if (all->generation == request->generation) {
        shared_key *place = place_for(all, set_of(reuse, all, request), request), before = *place;
        *place = made;
        made = before;
    }
    (void)pthread_mutex_unlock(&all->lock);
    key_drop(reuse, &made);
}

void bulla_reuse_purge(bulla_reuse *reuse, bulla_view key_id)
{
    shelf *all = shelf_of(reuse);
    if (all == NULL) return;
    (void)pthread_mutex_lock(&all->lock);
    all->generation++;
    for (size_t i = 0; i < NUM_SETS * NUM_WAYS; i++) {
        shared_key *key = &all->keys[i / NUM_WAYS][i % NUM_WAYS];
        if (key->dek != NULL && key->wrapped->info.len >= key_id.len &&
            bulla_view_equal(bulla_view_of(key->wrapped->info.data, key_id.len), key_id))
            key_drop(reuse, key);
    }
    (void)pthread_mutex_unlock(&all->lock);
}
