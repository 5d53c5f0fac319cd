/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "provider/aws.h"

#include <stdio.h>

bulla_status bulla_aws_creds_new(bulla_call *call, bulla_awscreds *value, const char *source,
                                 bulla_aws_creds **out_creds)
{
    void *memory = NULL;
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_aws_creds), &memory));
    bulla_aws_creds *creds = memory;
    creds->refs = 1;
    creds->env = bulla_env_of(call);
    creds->value = *value;
    *value = (bulla_awscreds){.expires_s = 0};
    (void)snprintf(creds->source, sizeof creds->source, "%s", source);
    (void)pthread_mutex_init(&creds->lock, NULL);
    *out_creds = creds;
    return BULLA_OK;
}

bulla_aws_creds *bulla_aws_creds_ref(bulla_aws_creds *creds)
{
    if (creds != NULL) bulla_refs_take(&creds->refs);
    return creds;
}

void bulla_aws_creds_unref(bulla_aws_creds *creds)
{
    if (creds == NULL || !bulla_refs_drop(&creds->refs)) return;
    for (size_t i = 0; i < BULLA_LEN(creds->signing); i++)
        bulla_secret_unref(creds->signing[i].key);
    bulla_awscreds_done(&creds->value);
    (void)pthread_mutex_destroy(&creds->lock);
    bulla_free(creds->env, creds);
}

bool bulla_aws_creds_are_same(const bulla_aws_creds *a, const bulla_aws_creds *b)
{
    return strcmp(a->value.access_key_id, b->value.access_key_id) == 0 &&
           bulla_view_equal(bulla_secret_borrow(a->value.token), bulla_secret_borrow(b->value.token));
}

static bulla_secret *signing_find(bulla_aws_creds *creds, const char *scope)
{
    bulla_secret *found = NULL;
    (void)pthread_mutex_lock(&creds->lock);
    for (size_t i = 0; i < BULLA_LEN(creds->signing); i++)
        if (creds->signing[i].key != NULL && strcmp(creds->signing[i].scope, scope) == 0)
            found = bulla_secret_ref(creds->signing[i].key);
    (void)pthread_mutex_unlock(&creds->lock);
    return found;
}

static void signing_put(bulla_aws_creds *creds, const char *scope, bulla_secret *key)
{
    (void)pthread_mutex_lock(&creds->lock);
    struct bulla_aws_signing *place = &creds->signing[creds->next_signing++ % BULLA_LEN(creds->signing)];
    bulla_secret_unref(place->key);
    place->key = bulla_secret_ref(key);
    (void)snprintf(place->scope, sizeof place->scope, "%s", scope);
    (void)pthread_mutex_unlock(&creds->lock);
}

bulla_status bulla_aws_creds_key(bulla_aws_creds *creds, bulla_call *call, const bulla_sigv4_scope *scope,
                                 bulla_secret **out_key)
{
    char time[BULLA_SIGV4_TIME], name[sizeof creds->signing[0].scope];
    bulla_sigv4_time_format(scope->time_s, time);
    (void)snprintf(name, sizeof name, "%.8s/%s/%s", time, scope->region, scope->service);
    BULLA_AUTO(bulla_secret) *key = signing_find(creds, name);
    if (key == NULL || !bulla_secret_is_live(key)) {
        bulla_secret_unref(BULLA_TAKE(key));
        BULLA_TRY(bulla_secret_new(call, BULLA_SIGV4_KEY, &key));
        BULLA_TRY(
            bulla_sigv4_key_derive(call, bulla_secret_borrow(creds->value.secret_key), scope, bulla_secret_fill(key)));
        signing_put(creds, name, key);
    }
    *out_key = BULLA_TAKE(key);
    return BULLA_OK;
}
