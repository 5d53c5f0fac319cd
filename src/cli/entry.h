/* SPDX-License-Identifier: Apache-2.0 */
/* What a wrapped data key in a header says of the key that opens it. Nothing of it is authenticated. */
#ifndef BULLA_CLI_ENTRY_H
#define BULLA_CLI_ENTRY_H

#include "cli/cli.h"

enum cli_entry_kind {
    CLI_ENTRY_KEYSTORE, /* our own: key id and version */
    CLI_ENTRY_RAW_AES,  /* a key name with the wrapping's parameters after it */
    CLI_ENTRY_OTHER     /* a name: of an RSA key, an ARN */
};

struct cli_entry {
    enum cli_entry_kind kind;
    bulla_view name;                    /* of the key; for CLI_ENTRY_KEYSTORE its id */
    char key_id[BULLA_KEY_ID_TEXT + 1]; /* CLI_ENTRY_KEYSTORE */
    uint32_t version;                   /* CLI_ENTRY_KEYSTORE */
};

/* Views are borrowed from `wrapped`. */
struct cli_entry cli_entry_of(const bulla_wrapped *wrapped);

/* True for a recipient that did not answer when the message was made (BULLA_OWED_PROVIDER). */
bool cli_entry_is_owed(const bulla_wrapped *wrapped);

#endif
