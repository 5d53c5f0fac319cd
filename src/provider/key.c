/* SPDX-License-Identifier: Apache-2.0 */
#include "bulla/key.h"

const char *bulla_key_type_name(bulla_key_type type)
{
    switch (type) {
    case BULLA_KEY_UNKNOWN: return "unknown";
    case BULLA_KEY_AES256_GCM: return "aes-256-gcm";
    case BULLA_KEY_RSA: return "rsa";
    }
    return "unknown";
}

const char *bulla_key_usage_name(bulla_key_usage usage)
{
    switch (usage) {
    case BULLA_USAGE_UNKNOWN: return "unknown";
    case BULLA_USAGE_WRAP: return "wrap";
    case BULLA_USAGE_SIGN: return "sign";
    case BULLA_USAGE_MAC: return "mac";
    }
    return "unknown";
}

const char *bulla_key_state_name(bulla_key_state state)
{
    switch (state) {
    case BULLA_KEY_STATE_UNKNOWN: return "unknown";
    case BULLA_KEY_ENABLED: return "enabled";
    case BULLA_KEY_DISABLED: return "disabled";
    case BULLA_KEY_PENDING_IMPORT: return "pending_import";
    case BULLA_KEY_PENDING_DELETION: return "pending_deletion";
    case BULLA_KEY_DESTROYED: return "destroyed";
    }
    return "unknown";
}
