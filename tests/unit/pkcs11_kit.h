/* SPDX-License-Identifier: Apache-2.0 */
/* The fake module (fakes/hsm.h) with one token and one key, and a key store that is opened on it. */
#ifndef BULLA_TESTS_PKCS11_KIT_H
#define BULLA_TESTS_PKCS11_KIT_H

#include "base/bytes.h"
#include "base/context.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "fakes/hsm.h"
#include "provider/backends.h"
#include "provider/provider.h"

#define PKCS11_KEY "pkcs11:token=prod;object=app"
#define PKCS11_THREADS 8u

typedef struct pkcs11_kit {
    fake_env fake;
    bulla_env real; /* the same with the machine's clock, for calls with deadlines */
    bulla_call call;
    bulla_kms_config config; /* PIN 2580 */
    bulla_kms *kms;
    bulla_provider *key;
    bulla_context *context;
    bulla_secret *dek;
    bulla_wrapped *wrapped; /* what was wrapped last, from dek with context */
} pkcs11_kit;

extern hsm_state *hsm;

/* Token 0 "prod" has AES-GCM and key wrap (C_Encrypt and C_WrapKey), its key "app", version 1, encrypts and decrypts;
 * beside it lies another key. Token 1 is not there. Nothing is opened. The teardown fails when a session was left. */
int pkcs11_kit_setup(void **state);
int pkcs11_kit_teardown(void **state);

/* Opens the key store and PKCS11_KEY, as kit->key; another address as a provider of the caller's. */
void pkcs11_kit_open(pkcs11_kit *kit);
bulla_status pkcs11_kit_open_at(pkcs11_kit *kit, const char *address, bulla_provider **out_provider);
void pkcs11_kit_pin_set(pkcs11_kit *kit, const char *pin);
/* A call with the machine's clock; 0: no deadline. */
void pkcs11_kit_call(pkcs11_kit *kit, bulla_call *call, uint32_t deadline_ms);

bulla_status pkcs11_kit_wrap(pkcs11_kit *kit);
bulla_status pkcs11_kit_unwrap(pkcs11_kit *kit); /* and compares when it opens */
/* Any call of the key's, with a data key of its own: EINTERNAL when another came back. */
bulla_status pkcs11_both_ways(bulla_provider *key, bulla_call *call);

/* `run` in PKCS11_THREADS threads at a time. */
void pkcs11_threads_run(void *(*run)(void *arg), void *arg);

/* --- the module --- */

/* The last failure's sentence has `part` in it. */
void assert_why(const bulla_call *call, const char *part);

hsm_object *hsm_key_add(const char *label, uint8_t id);
size_t hsm_key_count(const char *label);
void hsm_fail(hsm_call call, hsm_fault fault);
size_t hsm_count(hsm_call call);
void hsm_hold(hsm_call call);
size_t hsm_held(hsm_call call);
void hsm_held_wait(hsm_call call, size_t num); /* until so many are held */
void hsm_release(hsm_call call);
void hsm_pull(size_t token);
void hsm_put_back(size_t token, bool is_seen);
void hsm_close_all(void); /* somebody else finalises the module */

#define HSM_SET(member, value)                                                                                         \
    do {                                                                                                               \
        (void)pthread_mutex_lock(&hsm->lock);                                                                          \
        hsm->member = (value);                                                                                         \
        (void)pthread_mutex_unlock(&hsm->lock);                                                                        \
    } while (0)

#endif
