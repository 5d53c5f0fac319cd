/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What AWS KMS knows of its keys. They have no version numbers: version N here is the material after N - 1 rotations,
 * of which one that was asked for counts from the start, so that whoever looks whether a rotation arrived finds it.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/aws.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_KEYS 10000u
#define MAX_PAGES 200u /* of a list: a server that always has one more page ends here */

static bulla_aws_key *self_of(bulla_provider *provider)
{
    return (bulla_aws_key *)(void *)provider;
}

static bulla_status key_ask(bulla_aws_key *self, bulla_call *call, bulla_awskms_key *out_key)
{
    const bulla_awskms_request request = {.op = BULLA_AWSKMS_DESCRIBE_KEY, .key_id = self->key_id};
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_aws_send(self, call, &request, &answer));
    return bulla_aws_nonsense(call, bulla_awskms_key_decode(call, bulla_http_body(&answer), out_key));
}

/* --- lists --- */

typedef struct walk {
    bulla_awskms_op op;
    const char *key_id;
    bulla_awskms_visit visit;
    void *arg;
    size_t num_items;
    bool is_ended; /* by the visitor */
} walk;

static bulla_status item_seen(void *arg, bulla_call *call, const char *name, const char *target)
{
    walk *w = arg;
    bulla_status status = w->visit(w->arg, call, name, target);
    w->is_ended = status != BULLA_OK;
    return status;
}

static bulla_status page_ask(bulla_aws_key *self, bulla_call *call, walk *w, bulla_awskms_page *page)
{
    const bulla_awskms_request request = {.op = w->op, .key_id = w->key_id, .marker = page->marker};
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_aws_send(self, call, &request, &answer));
    bulla_status status = bulla_awskms_page_decode(call, w->op, bulla_http_body(&answer), item_seen, w, page);
    if (status != BULLA_OK) return w->is_ended ? status : bulla_aws_nonsense(call, status);
    w->num_items += page->num_items;
    return BULLA_OK;
}

static bulla_status pages_walk(bulla_aws_key *self, bulla_call *call, walk *w)
{
    bulla_awskms_page page = {.num_items = 0};
    for (unsigned i = 0; i < MAX_PAGES && w->num_items < MAX_KEYS; i++) {
        BULLA_TRY(page_ask(self, call, w, &page));
        if (page.marker[0] == '\0') return BULLA_OK;
    }
    bulla_log(bulla_env_of(call), BULLA_LOG_WARN, "key store \"%s\": a list of AWS KMS goes on after %zu entries",
              self->config->name, w->num_items);
    return BULLA_OK;
}

/* --- rotations --- */

typedef struct rotations {
    uint32_t num;
    int64_t last_s;
} rotations;

static bulla_status rotation_seen(void *arg, bulla_call *call, const char *name, const char *date)
{
    rotations *seen = arg;
    int64_t date_s = strtoll(date, NULL, 10);
    (void)call;
    (void)name;
    seen->num++;
    if (date_s > seen->last_s) seen->last_s = date_s;
    return BULLA_OK;
}

/* These take an ARN and no alias. */
static bulla_status rotation_ask(bulla_aws_key *self, bulla_call *call, const char *arn,
                                 bulla_awskms_rotation *out_rotation)
{
    const bulla_awskms_request request = {.op = BULLA_AWSKMS_GET_KEY_ROTATION_STATUS, .key_id = arn};
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(bulla_aws_send(self, call, &request, &answer));
    return bulla_aws_nonsense(call, bulla_awskms_rotation_decode(call, bulla_http_body(&answer), out_rotation));
}

static bulla_status rotations_ask(bulla_aws_key *self, bulla_call *call, const char *arn, rotations *out_rotations)
{
    rotations seen = {0, 0};
    walk all = {.op = BULLA_AWSKMS_LIST_KEY_ROTATIONS, .key_id = arn, .visit = rotation_seen, .arg = &seen};
    BULLA_TRY(pages_walk(self, call, &all));
    *out_rotations = seen;
    return BULLA_OK;
}

/* Whether the rest of a description is worth having without this part: who may not see it, or keys without rotation. */
static bool is_withheld(bulla_call *call, bulla_status status)
{
    bool is = status == BULLA_EAUTHZ || status == BULLA_EUNSUPPORTED || status == BULLA_ESTATE;
    if (is) bulla_aws_forgive(call);
    return is;
}

static bulla_status rotation_fill(bulla_aws_key *self, bulla_call *call, const char *arn, bulla_key_info *info)
{
    bulla_awskms_rotation rotation = {.period_days = 0};
    rotations seen = {0, 0};
    bulla_status status = rotation_ask(self, call, arn, &rotation);
    if (status != BULLA_OK && !is_withheld(call, status)) return status;
    info->primary_version = info->num_versions = 1; /* there is one, and who may not count them sees no more */
    info->rotation_period_s = rotation.period_days * 86400u;
    info->next_rotation_s = rotation.next_s;
    status = rotations_ask(self, call, arn, &seen);
    if (status != BULLA_OK) return is_withheld(call, status) ? BULLA_OK : status;
    info->primary_version = info->num_versions = seen.num + 1 + (rotation.is_running ? 1 : 0);
    info->rotated_s = seen.last_s;
    return BULLA_OK;
}

static void text_fit(char *out, size_t cap, const char *text)
{
    size_t len = strnlen(text, cap - 1);
    memcpy(out, text, len);
    out[len] = '\0';
}

bulla_status bulla_aws_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info)
{
    bulla_aws_key *self = self_of(provider);
    bulla_awskms_key key;
    bulla_key_info info;
    memset(&info, 0, sizeof info);
    BULLA_TRY(key_ask(self, call, &key));
    text_fit(info.id, sizeof info.id, key.id);
    text_fit(info.name, sizeof info.name, self->key_id);
    info.type = key.is_symmetric ? BULLA_KEY_AES256_GCM : BULLA_KEY_UNKNOWN;
    info.usage = key.is_symmetric ? BULLA_USAGE_WRAP : BULLA_USAGE_UNKNOWN;
    info.state = key.state;
    info.created_s = key.created_s;
    info.deletion_s = key.deletion_s;
    info.imported = key.is_imported;
    if (key.is_symmetric) BULLA_TRY(rotation_fill(self, call, key.arn, &info));
    *out_info = info;
    return BULLA_OK;
}

bulla_status bulla_aws_check(bulla_provider *provider, bulla_call *call)
{
    bulla_aws_key *self = self_of(provider);
    bulla_awskms_key key;
    BULLA_TRY(key_ask(self, call, &key));
    if (!key.is_symmetric)
        return bulla_fail(call, BULLA_EUNSUPPORTED, "AWS KMS \"%s\": %.128s is no symmetric key for encryption",
                          self->config->name, self->key_id);
    if (key.state == BULLA_KEY_ENABLED) return BULLA_OK;
    return bulla_fail(call, BULLA_ESTATE, "AWS KMS \"%s\": %.128s is %s", self->config->name, self->key_id,
                      bulla_key_state_name(key.state));
}

/* RotateKeyOnDemand is done some minutes later, and has no number to answer with: the rotations before are counted. */
bulla_status bulla_aws_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version)
{
    bulla_aws_key *self = self_of(provider);
    bulla_awskms_key key;
    rotations before = {0, 0};
    BULLA_HTTP_ANSWER(answer);
    BULLA_TRY(key_ask(self, call, &key));
    BULLA_TRY(rotations_ask(self, call, key.arn, &before));
    const bulla_awskms_request request = {.op = BULLA_AWSKMS_ROTATE_KEY_ON_DEMAND, .key_id = key.arn};
    BULLA_TRY(bulla_aws_send(self, call, &request, &answer));
    *out_version = before.num + 2;
    return BULLA_OK;
}

/* --- the keys of an account --- */

typedef struct alias {
    char key[40], name[132];
} alias;

typedef struct aliases {
    const bulla_env *env;
    alias *list;
    size_t num, cap;
} aliases;

static void aliases_done(aliases *all)
{
    bulla_free(all->env, all->list);
}

static bulla_status alias_seen(void *arg, bulla_call *call, const char *name, const char *key)
{
    aliases *all = arg;
    if (all->num == all->cap) {
        void *memory = NULL;
        size_t cap = all->cap == 0 ? 64 : 2 * all->cap;
        BULLA_TRY(bulla_alloc(call, cap * sizeof *all->list, &memory));
        bulla_copy(memory, all->list, all->num * sizeof *all->list);
        bulla_free(all->env, all->list);
        all->list = memory;
        all->cap = cap;
    }
    text_fit(all->list[all->num].key, sizeof all->list->key, key);
    text_fit(all->list[all->num].name, sizeof all->list->name, name);
    all->num++;
    return BULLA_OK;
}

static int alias_compare(const void *a, const void *b)
{
    return strcmp(((const alias *)a)->key, ((const alias *)b)->key);
}

typedef struct showing {
    const bulla_aws_key *self;
    aliases all;
    bulla_provider_visit visit;
    void *arg;
    size_t num;
} showing;

static bulla_status key_seen(void *arg, bulla_call *call, const char *id, const char *arn)
{
    showing *show = arg;
    alias wanted = {.name = ""};
    bulla_key_info info;
    char address[BULLA_AWSARN_MAX + 64];
    if (show->num++ >= MAX_KEYS) return BULLA_OK;
    memset(&info, 0, sizeof info);
    text_fit(wanted.key, sizeof wanted.key, id);
    text_fit(info.id, sizeof info.id, id);
    const alias *found =
        show->all.num == 0 ? NULL : bsearch(&wanted, show->all.list, show->all.num, sizeof wanted, alias_compare);
    if (found != NULL) text_fit(info.name, sizeof info.name, found->name);
    (void)snprintf(address, sizeof address, "aws:%s?kms=%s", arn, show->self->config->name);
    return show->visit(show->arg, call, address, &info);
}

bulla_status bulla_aws_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg)
{
    bulla_aws_key *self = self_of(provider);
    __attribute__((cleanup(aliases_done))) aliases named = {.env = self->env};
    walk names = {.op = BULLA_AWSKMS_LIST_ALIASES, .visit = alias_seen, .arg = &named};
    bulla_status status = pages_walk(self, call, &names);
    if (status != BULLA_OK && !is_withheld(call, status)) return status; /* a list without names is one all the same */
    if (named.num > 1) qsort(named.list, named.num, sizeof *named.list, alias_compare);
    showing show = {self, named, visit, arg, 0};
    walk keys = {.op = BULLA_AWSKMS_LIST_KEYS, .visit = key_seen, .arg = &show};
    return pages_walk(self, call, &keys);
}
