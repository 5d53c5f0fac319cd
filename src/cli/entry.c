/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/entry.h"

#include <ctype.h>
#include <string.h>

#define VERSION_DIGITS 10u
#define KEYSTORE_INFO (BULLA_KEY_ID_TEXT + 1u + VERSION_DIGITS) /* spec/keystore.md, Wrapping */
/* raw-aes-keyring.md: the key's name, then tag length in bits, IV length in bytes, both u32, and the IV. */
#define RAW_AES_TAIL 20u
static const uint8_t raw_aes_lengths[8] = {0, 0, 0, 128, 0, 0, 0, 12};

static bool is_text(bulla_view view, const char *text)
{
    return view.len == strlen(text) && memcmp(view.data, text, view.len) == 0;
}

static bool keystore_parse(bulla_view info, struct cli_entry *entry)
{
    if (info.len != KEYSTORE_INFO || info.data[BULLA_KEY_ID_TEXT] != ':') return false;
    for (size_t i = 0; i < BULLA_KEY_ID_TEXT; i++)
        if (!isxdigit(info.data[i])) return false;
    uint64_t version = 0;
    for (size_t i = BULLA_KEY_ID_TEXT + 1; i < KEYSTORE_INFO; i++) {
        if (!isdigit(info.data[i])) return false;
        version = version * 10 + (uint64_t)(info.data[i] - '0');
    }
    if (version == 0 || version > UINT32_MAX) return false;
    memcpy(entry->key_id, info.data, BULLA_KEY_ID_TEXT);
    entry->version = (uint32_t)version;
    entry->kind = CLI_ENTRY_KEYSTORE;
    entry->name = (bulla_view){info.data, BULLA_KEY_ID_TEXT};
    return true;
}

struct cli_entry cli_entry_of(const bulla_wrapped *wrapped)
{
    bulla_view info = wrapped->info;
    struct cli_entry entry = {.kind = CLI_ENTRY_OTHER, .name = info};
    if (is_text(wrapped->provider, "bulla") && keystore_parse(info, &entry)) return entry;
    if (info.len <= RAW_AES_TAIL) return entry;
    const uint8_t *tail = info.data + info.len - RAW_AES_TAIL;
    if (memcmp(tail, raw_aes_lengths, sizeof raw_aes_lengths) != 0) return entry;
    entry.kind = CLI_ENTRY_RAW_AES;
    entry.name.len = info.len - RAW_AES_TAIL;
    return entry;
}

bool cli_entry_is_owed(const bulla_wrapped *wrapped)
{
    return wrapped->provider.len == strlen(BULLA_OWED_PROVIDER) &&
           memcmp(wrapped->provider.data, BULLA_OWED_PROVIDER, wrapped->provider.len) == 0;
}
