/* SPDX-License-Identifier: Apache-2.0 */
/* pkcs11: addresses (RFC 7512), and the same grammar for the second part of a wrapped key (spec/wrapped.md). */
#ifndef BULLA_PROVIDER_PKCS11_URI_H
#define BULLA_PROVIDER_PKCS11_URI_H

#include "base/macros.h"
#include "bulla/call.h"

#define BULLA_PKCS11_MAX_ID 64u     /* bytes of CKA_ID */
#define BULLA_PKCS11_MAX_LABEL 128u /* bytes of CKA_LABEL */
#define BULLA_PKCS11_MAX_INFO 768u  /* text with a serial number, a label and an id, all of it encoded */

/* Empty text: the attribute is not given. */
typedef struct bulla_pkcs11_uri {
    char token[33], serial[17], manufacturer[33], model[17]; /* CK_TOKEN_INFO without its padding */
    char object[BULLA_PKCS11_MAX_LABEL + 1];
    uint8_t id[BULLA_PKCS11_MAX_ID];
    size_t id_len;
    bool has_id, has_slot;
    unsigned long slot;
    char pin_source[512], module[512]; /* paths */
    char store[32];                    /* kms=NAME */
} bulla_pkcs11_uri;

/* EINVAL naming the attribute at fault and never its value: someone may have put a PIN there. */
BULLA_MUST_USE bulla_status bulla_pkcs11_uri_parse(bulla_call *call, const char *text, bulla_pkcs11_uri *out_uri);

/* The address that finds what `uri` does. EINVAL when `cap` is too small for it. */
BULLA_MUST_USE bulla_status bulla_pkcs11_uri_format(bulla_call *call, const bulla_pkcs11_uri *uri, char *out,
                                                    size_t cap);

/* serial=…;object=…;id=…: which key wrapped. False when `info` is not that. */
bool bulla_pkcs11_info_parse(bulla_view info, bulla_pkcs11_uri *out_uri);
void bulla_pkcs11_info_format(const bulla_pkcs11_uri *uri, char out[BULLA_PKCS11_MAX_INFO]);

#endif
