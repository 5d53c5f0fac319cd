/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PKCS#11 module that encrypts in earnest and misbehaves on demand: a shared object of its own, which the back end
 * loads by path. What a test changes and looks at is `fake_hsm_state`, found with dlsym, under its lock.
 *
 * Numbers are given out to catch whoever keeps one too long. Sessions count from 1 in each life of the module; handles
 * of objects mean the object's neighbour after a new life, or after the token was put back (`shift`).
 */
#ifndef BULLA_TESTS_HSM_H
#define BULLA_TESTS_HSM_H

#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HSM_TOKENS 2u
#define HSM_OBJECTS 96u
#define HSM_SESSIONS 64u
#define HSM_TRIES 3u /* wrong PINs in a row, and the token is locked */
#define HSM_MECHANISMS 4u
#define HSM_ALWAYS 0xFFFFFFFFu
#define HSM_KEY_WRAP_KWP 0x210BUL /* CKM_AES_KEY_WRAP_KWP of PKCS #11 3.0 */

typedef enum hsm_call {
    HSM_INITIALIZE,
    HSM_SLOTS,
    HSM_TOKEN_INFO,
    HSM_MECHANISM_INFO,
    HSM_OPEN,
    HSM_CLOSE,
    HSM_SESSION_INFO,
    HSM_LOGIN,
    HSM_FIND,
    HSM_ATTRIBUTES,
    HSM_GENERATE,
    HSM_CREATE,
    HSM_DESTROY,
    HSM_ENCRYPT_INIT,
    HSM_ENCRYPT,
    HSM_DECRYPT_INIT,
    HSM_DECRYPT,
    HSM_WRAP,
    HSM_UNWRAP,
    HSM_CALLS
} hsm_call;

/* `after` calls go well, then `times` of them are answered with `rv`; `is_late`: after they have done their work. */
typedef struct hsm_fault {
    CK_RV rv;
    unsigned after, times;
    bool is_late;
} hsm_fault;

typedef enum hsm_ivs {
    HSM_IV_GIVEN,    /* the caller's is taken */
    HSM_IV_OWN,      /* none but zeros, where the token's own then stands, as in FIPS mode */
    HSM_IV_LEFT_ZERO /* none but zeros, which are used: no token should */
} hsm_ivs;

typedef struct hsm_token {
    bool is_there, is_logged_in;
    bool waits_for_init; /* it is back, and seen only by C_Initialize */
    bool hides_flags;    /* says nothing of wrong PINs */
    unsigned wrong_pins; /* in a row */
    char label[33], serial[17], pin[33];
} hsm_token;

typedef struct hsm_object {
    bool is_there;
    size_t token;
    CK_SESSION_HANDLE session; /* it goes with it; 0: stays */
    CK_KEY_TYPE type;
    char label[65];
    uint8_t id[8], value[32];
    size_t label_len, id_len, value_len;
    CK_BBOOL encrypts, decrypts, wraps, unwraps, is_sensitive, is_extractable, is_private, is_local;
} hsm_object;

typedef struct hsm_session {
    CK_SESSION_HANDLE handle; /* 0: none */
    size_t token;
    bool is_rw;
    enum { HSM_IDLE, HSM_ENCRYPTING, HSM_DECRYPTING } doing;
    CK_MECHANISM_TYPE mechanism;
    size_t object;
    uint8_t *iv; /* the caller's */
    uint8_t aad[2048];
    size_t aad_len;
    bool is_searching;
    CK_OBJECT_HANDLE found[HSM_OBJECTS];
    size_t num_found;
} hsm_session;

typedef struct hsm_state {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_initialised;
    pid_t pid;
    CK_SESSION_HANDLE last_session;
    CK_ULONG shift;

    /* For the test to set. */
    hsm_fault faults[HSM_CALLS];
    bool is_held[HSM_CALLS]; /* calls wait until this is false again */
    size_t max_sessions;
    CK_RV gone; /* what sessions of a token that was pulled answer */
    CK_RV wrong_tag;
    hsm_ivs ivs;
    CK_FLAGS flags[HSM_MECHANISMS]; /* AES-GCM, key wrap, KWP, padding of 2.40; 0: it has none */
    bool makes_twins;               /* C_GenerateKey: somebody else does the same at the same time */
    hsm_token tokens[HSM_TOKENS];
    hsm_object objects[HSM_OBJECTS];

    /* For the test to see. */
    size_t num_calls[HSM_CALLS], num_held[HSM_CALLS];
    size_t num_lives, num_open, most_open, num_misused;
    hsm_session sessions[HSM_SESSIONS];
} hsm_state;

extern hsm_state fake_hsm_state;

/* --- between the module's files, with the lock held --- */

hsm_session *hsm_session_find(CK_SESSION_HANDLE handle);
/* An object that the session may see. */
hsm_object *hsm_object_find(const hsm_session *session, CK_OBJECT_HANDLE handle);
CK_OBJECT_HANDLE hsm_object_handle(const hsm_object *object);

CK_RV hsm_search(hsm_session *session, const CK_ATTRIBUTE *wanted, CK_ULONG num);
CK_RV hsm_attributes(const hsm_object *object, CK_ATTRIBUTE *attributes, CK_ULONG num);
CK_RV hsm_object_make(hsm_session *session, const CK_ATTRIBUTE *what, CK_ULONG num, CK_OBJECT_HANDLE *out_handle);
CK_RV hsm_key_generate(hsm_session *session, const CK_ATTRIBUTE *what, CK_ULONG num, CK_OBJECT_HANDLE *out_handle);

CK_RV hsm_cipher_begin(hsm_session *session, const CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key, bool encrypts);
CK_RV hsm_encrypt(hsm_session *session, const uint8_t *in, CK_ULONG len, uint8_t *out, CK_ULONG *out_len);
CK_RV hsm_decrypt(hsm_session *session, const uint8_t *in, CK_ULONG len, uint8_t *out, CK_ULONG *out_len);
CK_RV hsm_wrap(hsm_session *session, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE by, CK_OBJECT_HANDLE what,
               uint8_t *out, CK_ULONG *out_len);
/* `out` has 32 bytes. */
CK_RV hsm_unwrap(const hsm_session *session, CK_MECHANISM_TYPE mechanism, CK_OBJECT_HANDLE by, const uint8_t *in,
                 CK_ULONG len, uint8_t *out, CK_ULONG *out_len);

#endif
