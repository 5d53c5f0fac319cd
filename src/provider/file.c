/* SPDX-License-Identifier: Apache-2.0 */
/* file:PATH?namespace=N&name=K: an AES key in a file of its own, 16, 24 or 32 raw bytes or the base64 of 32. */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/backends.h"
#include "provider/keyfile.h"
#include "provider/rawaes.h"

#include <stdio.h>

#define FILE_MAX 4096u /* a sentence for what is too long, not a read without end */
#define BASE64_LEN 44u /* of 32 bytes: the lengths of raw keys and of this text do not meet */

static const char *const params[] = {"namespace", "name", NULL};

/* Random bytes are not all printable (less than one in 10^6 keys of 16 bytes): this was typed. */
static bool looks_typed(bulla_view key)
{
    for (size_t i = 0; i < key.len; i++)
        if (key.data[i] < 0x20 || key.data[i] > 0x7E) return false;
    return true;
}

static bulla_status key_decode(bulla_call *call, const char *path, bulla_secret *bytes, bulla_secret **out_key)
{
    bulla_view content = bulla_secret_borrow(bytes);
    if (content.len >= BASE64_LEN) {
        char what[160];
        (void)snprintf(what, sizeof what, "key file \"%.128s\"", path);
        return bulla_keytext_decode(call, what, content, out_key);
    }
    if (content.len != 16 && content.len != 24 && content.len != 32)
        return bulla_fail(call, BULLA_ECONFIG,
                          "key file \"%.128s\" has %zu bytes: it should have 32 (or 16, 24), or the base64 of 32", path,
                          content.len);
    if (looks_typed(content))
        bulla_log(
            bulla_env_of(call), BULLA_LOG_WARN,
            "key file \"%s\" holds printable text taken as raw key bytes: make keys with bulla random 32 --base64",
            path);
    *out_key = bulla_secret_ref(bytes);
    return BULLA_OK;
}

static bulla_status key_read(bulla_call *call, const bulla_keyfile *file, bulla_secret **out_key)
{
    BULLA_AUTO(bulla_secret) *bytes = NULL;
    BULLA_TRY(bulla_keyfile_private_check(call, file));
    BULLA_TRY(bulla_keyfile_read(call, file, &bytes));
    return key_decode(call, file->path, bytes, out_key);
}

bulla_status bulla_file_provider_open(void *arg, bulla_call *call, const char *address, bulla_provider **out_provider)
{
    (void)arg;
    bulla_address parsed;
    bulla_rawkey_name name;
    bulla_keyfile file;
    BULLA_TRY(bulla_address_parse(call, address, &parsed));
    BULLA_TRY(bulla_address_params_check(call, &parsed, params));
    if (parsed.body[0] == '\0') return bulla_fail(call, BULLA_EINVAL, "file: the path of the key file is missing");
    BULLA_TRY(bulla_rawkey_name_parse(call, &parsed, "file", bulla_path_base(parsed.body), &name));
    BULLA_TRY(bulla_keyfile_open(call, parsed.body, FILE_MAX, &file));
    BULLA_AUTO(bulla_secret) *key = NULL;
    bulla_status status = key_read(call, &file, &key);
    bulla_keyfile_close(&file);
    BULLA_TRY(status);
    return bulla_rawaes_open(call, BULLA_RAWAES_FILE, address, &name, key, out_provider);
}
