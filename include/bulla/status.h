/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One status for everything that can fail. Each code belongs to a class, and the class, not the code, decides what to
 * do next: mend the request, try again, find out what happened, stop, or call for help.
 */
#ifndef BULLA_STATUS_H
#define BULLA_STATUS_H

#include "bulla/types.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bulla_class {
    BULLA_CLASS_OK = 0,
    BULLA_CLASS_FATAL = 1,  /* the data, the store or this program is at fault; trying again will not help */
    BULLA_CLASS_CALLER = 2, /* the request is at fault; mend it */
    BULLA_CLASS_RETRY = 3,  /* nothing happened; the same request may succeed later */
    BULLA_CLASS_UNSURE = 4, /* it may have happened; look before you try again */
    BULLA_CLASS_STOP = 5    /* the caller's deadline or cancellation ended it */
} bulla_class;

/* X(name, class, text). The one table: enumerators, names, texts, exit codes and every protocol mapping read it. */
#define BULLA_STATUS_TABLE(X)                                                                                          \
    X(OK, OK, "ok")                                                                                                    \
    X(EINVAL, CALLER, "invalid argument")                                                                              \
    X(ECONFIG, CALLER, "invalid configuration")                                                                        \
    X(ENOKEY, CALLER, "no such key")                                                                                   \
    X(EDESTROYED, CALLER, "key destroyed")                                                                             \
    X(ESTATE, CALLER, "not possible in the key's state")                                                               \
    X(EEXISTS, CALLER, "already exists")                                                                               \
    X(ENOFILE, CALLER, "no such file")                                                                                 \
    X(EAUTHN, CALLER, "not authenticated")                                                                             \
    X(EAUTHZ, CALLER, "not allowed")                                                                                   \
    X(ELIMIT, CALLER, "limit exceeded")                                                                                \
    X(EFORMAT, CALLER, "malformed input")                                                                              \
    X(EUNSUPPORTED, CALLER, "not supported")                                                                           \
    X(ENORECIPIENT, CALLER, "no given key opens this message")                                                         \
    X(EUNAVAIL, RETRY, "key store does not answer")                                                                    \
    X(ETHROTTLED, RETRY, "key store asks to slow down")                                                                \
    X(EBUSY, RETRY, "store is in use")                                                                                 \
    X(EUNKNOWN, UNSURE, "outcome unknown")                                                                             \
    X(EDEADLINE, STOP, "deadline passed")                                                                              \
    X(ECANCELLED, STOP, "cancelled")                                                                                   \
    X(EINTEGRITY, FATAL, "data failed authentication")                                                                 \
    X(ECORRUPT, FATAL, "store is damaged")                                                                             \
    X(EUNTRUSTED, FATAL, "key store's certificate is not accepted")                                                    \
    X(ENOMEM, FATAL, "out of memory")                                                                                  \
    X(ENOSPACE, FATAL, "no space left on device")                                                                      \
    X(EIO, FATAL, "input or output error")                                                                             \
    X(ECRYPTO, FATAL, "cryptographic library failed")                                                                  \
    X(ECONTRACT, FATAL, "provider broke its contract")                                                                 \
    X(EINTERNAL, FATAL, "internal error")

typedef enum bulla_status {
#define BULLA_STATUS_ENUM(name, class_, text) BULLA_##name,
    BULLA_STATUS_TABLE(BULLA_STATUS_ENUM)
#undef BULLA_STATUS_ENUM
} bulla_status;

/* bulla_status_name returns the enumerator as text, such as "ENOKEY". Static; never NULL. */
BULLA_API const char *bulla_status_name(bulla_status status);

/* bulla_status_text returns the table's text, such as "no such key". Static; never NULL. */
BULLA_API const char *bulla_status_text(bulla_status status);

/* bulla_status_class returns the class of `status`; an unknown value is BULLA_CLASS_FATAL. It is also the exit code of
 * the command (bulla(1), EXIT STATUS). */
BULLA_API bulla_class bulla_status_class(bulla_status status);

#ifdef __cplusplus
}
#endif

#endif
