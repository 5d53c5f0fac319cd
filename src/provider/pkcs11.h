/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PKCS#11 tokens, between the files of this back end: modules (pkcs11_module.c), tokens with their sessions and login
 * (pkcs11_token.c, pkcs11_login.c), keys on them (pkcs11_key.c), and how data keys are wrapped (pkcs11_wrap.c,
 * pkcs11_cipher.c). The other rooms and files see nothing of the interface's types.
 *
 * One lock for all of it, in pkcs11_module.c: held for a few assignments at a time, never while a module runs, and free
 * in a forked child. What takes time is marked as busy, in the generation of processes that it runs in.
 */
#ifndef BULLA_PROVIDER_PKCS11_H
#define BULLA_PROVIDER_PKCS11_H

#include "base/secret.h"
#include "provider/kms.h"
#include "provider/pkcs11_uri.h"
#include "provider/provider.h"

#include <p11-kit/pkcs11.h>

#define BULLA_PKCS11_MAX_SESSIONS 64u /* BULLA_POOL_MAX of the networked stores */
#define BULLA_PKCS11_MAX_VERSIONS 64u

/* --- the lock --- */

void bulla_pkcs11_lock(void);
void bulla_pkcs11_unlock(void);
void bulla_pkcs11_doze(int64_t ns); /* with the lock held: until somebody wakes, or a step */
void bulla_pkcs11_wake(void);
size_t bulla_pkcs11_generation(void); /* 1, and one more in each forked child; with the lock held */

/* Takes *busy for this process, once nobody has it. The lock is held before and after; ECANCELLED and EDEADLINE. */
BULLA_MUST_USE bulla_status bulla_pkcs11_busy_take(bulla_call *call, size_t *busy);

/* --- modules: one of each path in a process, loaded and initialised at its first use, never unloaded --- */

typedef struct bulla_pkcs11_module bulla_pkcs11_module;

/* Finds or makes the entry; the module itself is not touched. */
BULLA_MUST_USE bulla_status bulla_pkcs11_module_get(bulla_call *call, const char *path,
                                                    bulla_pkcs11_module **out_module);
/* Initialises it, where it is not in this process. */
BULLA_MUST_USE bulla_status bulla_pkcs11_module_ready(bulla_pkcs11_module *module, bulla_call *call);
/* Requests in the module: a restart waits until there are none. Its functions, and which of its lives this is: handles
 * of another one mean nothing, or something else. NULL: it restarts, or has to be made ready. */
CK_FUNCTION_LIST *bulla_pkcs11_module_enter(bulla_pkcs11_module *module, size_t *out_life);
/* One login at a time. */
BULLA_MUST_USE bulla_status bulla_pkcs11_login_begin(bulla_pkcs11_module *module, bulla_call *call);
void bulla_pkcs11_login_end(bulla_pkcs11_module *module);
/* It says that it is not initialised: somebody else in this process has finalised it. */
void bulla_pkcs11_module_forget(bulla_pkcs11_module *module);

/* --- what the module answers --- */

bulla_status bulla_pkcs11_status(CK_RV rv);
const char *bulla_pkcs11_name(CK_RV rv, char out[32]); /* CKR_DEVICE_ERROR, or the number */
/* Sessions, handles or the login are gone: worth a new session, a new login and another look. */
bool bulla_pkcs11_is_loss(CK_RV rv);
/* Says nothing of whether the token or what it was given is at fault. */
bool bulla_pkcs11_is_vague(CK_RV rv);

/* --- tokens --- */

typedef struct bulla_pkcs11_token bulla_pkcs11_token;

/* The tokens of one configuration. */
typedef struct bulla_pkcs11_client {
    bulla_client base;
    const bulla_env *env;
    const bulla_kms_config *config;
    bulla_pkcs11_token *tokens;
} bulla_pkcs11_client;
BULLA_MUST_USE bulla_status bulla_pkcs11_client_new(bulla_kms *kms, bulla_call *call, const bulla_kms_config *config,
                                                    size_t endpoint, bulla_client **out_client);

/* The token that `uri` means, which the client keeps. */
BULLA_MUST_USE bulla_status bulla_pkcs11_token_get(bulla_pkcs11_client *client, bulla_call *call,
                                                   const bulla_pkcs11_uri *uri, bulla_pkcs11_token **out_token);

/* A session that is logged in, for one request. */
typedef struct bulla_pkcs11_lease {
    bulla_pkcs11_token *token;
    CK_FUNCTION_LIST *functions;
    CK_SESSION_HANDLE session;
    CK_SLOT_ID slot;
    char serial[17];
    size_t life; /* of the module */
    size_t era;  /* of the token: handles of another one are worth nothing */
    size_t generation;
    bool is_rw;
    CK_RV rv; /* of what failed last */
} bulla_pkcs11_lease;

/* The other side of module_enter. `served`: whose token has just done what it should. */
void bulla_pkcs11_module_leave(bulla_pkcs11_module *module, const bulla_pkcs11_lease *served, int64_t now_ns);
/* Finalises and initialises the module, for some see a token that is back only then; only where we initialised it, at
 * most once a second, and in half a minute while it serves another token than that of `serial`. The caller is not in
 * it. False: not now. */
bool bulla_pkcs11_module_restart(bulla_pkcs11_module *module, const char *serial, bulla_call *call);

/* Waits for a session within the call's deadline. What failed is in out_lease->rv. */
BULLA_MUST_USE bulla_status bulla_pkcs11_acquire(bulla_pkcs11_token *token, bulla_call *call, bool is_rw,
                                                 bulla_pkcs11_lease *out_lease);
/* Gives it back. `failed`: it is closed, for an operation may still be active on it. */
void bulla_pkcs11_give_back(bulla_pkcs11_lease *lease, bool failed);
/* The token was lost: sessions that lie idle go, and the next request looks for the slot anew. Before it is given back.
 */
void bulla_pkcs11_lost(const bulla_pkcs11_lease *lease);

/* Fails in the words of the store, after lease->rv = rv. `verb` completes "cannot …". */
bulla_status bulla_pkcs11_fail(bulla_pkcs11_lease *lease, bulla_call *call, const char *verb, CK_RV rv);
const char *bulla_pkcs11_store(const bulla_pkcs11_token *token); /* name of the configuration */

/* --- keys --- */

/* What a key's attributes allow. */
#define BULLA_PKCS11_ENCRYPT 1u /* and decrypt */
#define BULLA_PKCS11_WRAP 2u    /* and unwrap */

/* One object. */
typedef struct bulla_pkcs11_version {
    CK_OBJECT_HANDLE handle;
    uint8_t id[BULLA_PKCS11_MAX_ID];
    size_t id_len;
    uint32_t number;     /* the id as a counter; 0: it is none */
    unsigned can;        /* BULLA_PKCS11_ENCRYPT, _WRAP */
    unsigned mechanisms; /* bits of bulla_pkcs11_mechanisms that CKA_ALLOWED_MECHANISMS leaves */
    unsigned len;        /* bytes of the key; 0: the token does not say */
    bool is_loose;       /* not sensitive, or extractable */
    bool is_local;       /* made on the token */
} bulla_pkcs11_version;

/* What was seen of a key at the last look. */
typedef struct bulla_pkcs11_look {
    size_t era;
    int64_t until_ns;
    char label[BULLA_PKCS11_MAX_LABEL + 1];
    bulla_pkcs11_version versions[BULLA_PKCS11_MAX_VERSIONS]; /* oldest first */
    size_t num;
} bulla_pkcs11_look;

/* What a key is asked for; the last two need a session that may write. */
typedef enum bulla_pkcs11_verb {
    BULLA_PKCS11_DO_WRAP,
    BULLA_PKCS11_DO_UNWRAP,
    BULLA_PKCS11_DO_DESCRIBE,
    BULLA_PKCS11_DO_CHECK,
    BULLA_PKCS11_DO_LIST,
    BULLA_PKCS11_DO_CREATE,
    BULLA_PKCS11_DO_ROTATE,
    BULLA_PKCS11_NUM_VERBS,
} bulla_pkcs11_verb;

typedef struct bulla_pkcs11_key {
    bulla_provider base;
    const bulla_env *env;
    bulla_pkcs11_client *client;
    bulla_pkcs11_token *token;
    bulla_pkcs11_uri uri;
    bulla_pkcs11_look seen; /* under the lock */
    bool has_warned;
    bool token_makes_ivs; /* noticed at the first wrap */
    bulla_metric *seconds[BULLA_PKCS11_NUM_VERBS];
} bulla_pkcs11_key;

/* Runs `job` with a session; once more when token, session or handles were lost before or under it. Counts the time. */
typedef bulla_status (*bulla_pkcs11_job)(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease, void *arg);
BULLA_MUST_USE bulla_status bulla_pkcs11_run(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_verb verb,
                                             bulla_pkcs11_job job, void *arg);

/* Sees to it that key->seen is of this lease and not old; `anew`: looks in any case. */
BULLA_MUST_USE bulla_status bulla_pkcs11_look_at(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease,
                                                 bool anew);
/* The version that wraps. ENOKEY when there is no key, ECONFIG when nobody can tell which one. */
typedef struct bulla_pkcs11_pick {
    bulla_pkcs11_version version;
    char label[BULLA_PKCS11_MAX_LABEL + 1];
    size_t num_versions;
} bulla_pkcs11_pick;
BULLA_MUST_USE bulla_status bulla_pkcs11_primary(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease,
                                                 bulla_pkcs11_pick *out_pick);
/* The version that an info names; ENOKEY after a second look. */
BULLA_MUST_USE bulla_status bulla_pkcs11_named(bulla_pkcs11_key *key, bulla_call *call, bulla_pkcs11_lease *lease,
                                               const bulla_pkcs11_uri *info, bulla_pkcs11_version *out_version);
/* All objects that `class_` … of a search; ELIMIT beyond `cap`. */
BULLA_MUST_USE bulla_status bulla_pkcs11_find(bulla_pkcs11_lease *lease, bulla_call *call, CK_ATTRIBUTE *wanted,
                                              CK_ULONG num_wanted, CK_OBJECT_HANDLE *out_found, size_t cap,
                                              size_t *out_num);
/* CKA_LABEL and CKA_ID of an object; what is too long for us is false. */
bool bulla_pkcs11_names_read(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE object, char label[BULLA_PKCS11_MAX_LABEL + 1],
                             bulla_pkcs11_version *out_version);

/* --- wrapping --- */

/* What wraps, in the order of preference; the number is the first byte of what comes out (spec/wrapped.md). */
typedef struct bulla_pkcs11_mechanism {
    CK_MECHANISM_TYPE type;
    uint8_t code; /* of key wraps: first byte of the outer part */
    const char *name;
} bulla_pkcs11_mechanism;
#define BULLA_PKCS11_GCM 0u /* the index of AES-GCM in the table; the others are key wraps */
#define BULLA_PKCS11_NUM_MECHANISMS 4u
extern const bulla_pkcs11_mechanism bulla_pkcs11_mechanisms[BULLA_PKCS11_NUM_MECHANISMS];

/* How one version is used: a mechanism, through C_Encrypt and C_Decrypt or through C_WrapKey and C_UnwrapKey. */
typedef struct bulla_pkcs11_way {
    unsigned index;
    bool by_wrapping;
} bulla_pkcs11_way;
/* EUNSUPPORTED saying what token and key would need. */
BULLA_MUST_USE bulla_status bulla_pkcs11_way_find(bulla_pkcs11_lease *lease, bulla_call *call,
                                                  const bulla_pkcs11_version *version, unsigned allowed,
                                                  bulla_pkcs11_way *out_way);

bulla_status bulla_pkcs11_wrap(bulla_provider *provider, bulla_call *call, bulla_context *context, bulla_secret *dek,
                               bulla_wrapped **out_wrapped);
bulla_status bulla_pkcs11_unwrap(bulla_provider *provider, bulla_call *call, bulla_context *context,
                                 const bulla_wrapped *wrapped, bulla_secret **out_dek);

/* --- AES-GCM and key wrap on the token, bytes in and out --- */

#define BULLA_PKCS11_IV_LEN 12u
#define BULLA_PKCS11_MAX_SEALED (BULLA_DEK_MAX + 16u)

/* `iv` is 12 random bytes, and what the token took instead afterwards. */
CK_RV bulla_pkcs11_gcm_seal(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, uint8_t iv[BULLA_PKCS11_IV_LEN],
                            bulla_secret *aad, bulla_view plain, uint8_t out[BULLA_PKCS11_MAX_SEALED]);
CK_RV bulla_pkcs11_gcm_open(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, bulla_view iv, bulla_secret *aad,
                            bulla_view sealed, uint8_t *out, size_t out_len);

#define BULLA_PKCS11_MAX_OUTER 64u /* an inner key of 32 bytes, wrapped */
CK_RV bulla_pkcs11_kw_wrap(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, const bulla_pkcs11_way *way,
                           bulla_view inner, uint8_t out[BULLA_PKCS11_MAX_OUTER], size_t *out_len);
CK_RV bulla_pkcs11_kw_unwrap(bulla_pkcs11_lease *lease, CK_OBJECT_HANDLE key, const bulla_pkcs11_way *way,
                             bulla_view outer, uint8_t out_inner[32]);

/* --- keys, looked after --- */

bulla_status bulla_pkcs11_describe(bulla_provider *provider, bulla_call *call, bulla_key_info *out_info);
bulla_status bulla_pkcs11_create(bulla_provider *provider, bulla_call *call);
bulla_status bulla_pkcs11_rotate(bulla_provider *provider, bulla_call *call, uint32_t *out_version);
bulla_status bulla_pkcs11_check(bulla_provider *provider, bulla_call *call);
bulla_status bulla_pkcs11_list(bulla_provider *provider, bulla_call *call, bulla_provider_visit visit, void *arg);

#endif
