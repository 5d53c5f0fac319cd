/* SPDX-License-Identifier: Apache-2.0 */
/* bulla.yaml: which names there are, what they default to, and where the file lies. */
#include "engine/config.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/oserror.h"
#include "envelope/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const suites[] = {"0x0478", "0x0578", NULL};
static const uint16_t suite_numbers[] = {BULLA_SUITE_COMMIT, BULLA_SUITE_COMMIT_SIGNED};
static const char *const engines[] = {"auto", "openssl", "ipsec-mb", NULL};
static const char *const levels[] = {"error", "warn", "info", "debug", NULL}; /* in the order of bulla_log_level */

#define FIELD(kind_, ...)                                                                                              \
    {                                                                                                                  \
        .kind = BULLA_CONF_##kind_, .name = __VA_ARGS__                                                                \
    }
const bulla_conf_field bulla_config_fields[BULLA_CONFIG_NUM] = {
    [BULLA_CONFIG_KEYSTORE_PATH] = FIELD(TEXT, "keystore.path"),
    [BULLA_CONFIG_KEYSTORE_ROOT] = FIELD(TEXT, "keystore.root"),
    [BULLA_CONFIG_RECIPIENTS] = FIELD(LIST, "recipients"),
    [BULLA_CONFIG_SUITE] = FIELD(WORD, "envelope.suite", .words = suites),
    [BULLA_CONFIG_FRAME_SIZE] = FIELD(SIZE, "envelope.frame_size", .min = 1, .max = BULLA_MAX_FRAME),
    [BULLA_CONFIG_MIN_RECIPIENTS] = FIELD(NUMBER, "envelope.min_recipients", .max = BULLA_MAX_RECIPIENTS),
    [BULLA_CONFIG_ENGINE] = FIELD(WORD, "crypto.engine", .words = engines),
#define X(enumerator, name_, kind_, min_, max_, fallback)                                                              \
    [BULLA_CONFIG_CACHE + BULLA_CACHE_##enumerator] = FIELD(kind_, name_, .min = (min_), .max = (max_)),
    BULLA_CACHE_TABLE(X)
#undef X
        [BULLA_CONFIG_LOG_LEVEL] = FIELD(WORD, "log.level", .words = levels),
    [BULLA_CONFIG_KMS] = FIELD(BLOCKS, "kms", .fields = bulla_kms_fields, .num_fields = BULLA_KMS_NUM_FIELDS),
};

/* What holds where nothing is set, as the file would say it; NULL: it depends on the user, or there is none. */
static const char *const fallbacks[BULLA_CONFIG_NUM] = {[BULLA_CONFIG_SUITE] = "0x0478",
                                                        [BULLA_CONFIG_FRAME_SIZE] = "64K",
                                                        [BULLA_CONFIG_ENGINE] = "auto",
                                                        [BULLA_CONFIG_LOG_LEVEL] = "warn",
                                                        [BULLA_CONFIG_MIN_RECIPIENTS] = "0",
#define X(enumerator, name, kind, min, max, fallback) [BULLA_CONFIG_CACHE + BULLA_CACHE_##enumerator] = (fallback),
                                                        BULLA_CACHE_TABLE(X)
#undef X
};
_Static_assert(BULLA_FRAME_DEFAULT == 64u << 10, "the default that is shown is the library's");

static const bulla_conf_value *get(const bulla_config *config, size_t index)
{
    return bulla_conf_get(config->conf, index);
}

/* A shell opens "~"; nobody else does, and a folder of that name is a surprise. */
static bulla_status path_check(const bulla_config *config, bulla_call *call)
{
    const char *path = get(config, BULLA_CONFIG_KEYSTORE_PATH)->text;
    if (path == NULL || path[0] != '~') return BULLA_OK;
    return bulla_conf_fail(config->conf, call, BULLA_CONFIG_KEYSTORE_PATH, "\"~\" is not opened here: write ${HOME}");
}

static size_t stores_fill(bulla_config *config, bool cached)
{
    const char *name = NULL;
    size_t num = 0;
    for (const bulla_conf *block = NULL; (block = bulla_conf_block(config->conf, num, &name)) != NULL; num++) {
        bulla_kms_block_fill(block, name, &config->cache, cached, &config->blocks[num]);
        config->kms[num] = config->blocks[num].config;
    }
    return num;
}

static bulla_status stores_check(const bulla_config *config, bulla_call *call)
{
    const char *name = NULL;
    for (size_t i = 0; bulla_conf_block(config->conf, i, &name) != NULL; i++)
        BULLA_TRY(bulla_kms_block_check(bulla_conf_block(config->conf, i, &name), call));
    return BULLA_OK;
}

static void settings_fill(bulla_config *config)
{
    bulla_settings *settings = &config->settings;
    const bulla_conf_value *list = get(config, BULLA_CONFIG_RECIPIENTS);
    bool cached = false;
    config->cache = (bulla_cache_options){.size = sizeof config->cache};
    bulla_cache_options_fill(config->conf, BULLA_CONFIG_CACHE, &cached, &config->cache);
    size_t num_kms = stores_fill(config, cached);
    *settings = (bulla_settings){
        .size = sizeof *settings,
        .options = {.size = sizeof settings->options,
                    .store = get(config, BULLA_CONFIG_KEYSTORE_PATH)->text,
                    .aead = engines[get(config, BULLA_CONFIG_ENGINE)->number],
                    .cache = cached ? &config->cache : NULL,
                    .kms = config->kms,
                    .num_kms = num_kms},
        .root = get(config, BULLA_CONFIG_KEYSTORE_ROOT)->text,
        .recipients = list->num_items == 0 ? NULL : config->recipients,
        .num_recipients = list->num_items,
        .suite = suite_numbers[get(config, BULLA_CONFIG_SUITE)->number],
        .frame_len = (uint32_t)get(config, BULLA_CONFIG_FRAME_SIZE)->number,
        .min_recipients = (size_t)get(config, BULLA_CONFIG_MIN_RECIPIENTS)->number,
        .log_level = (bulla_log_level)get(config, BULLA_CONFIG_LOG_LEVEL)->number,
    };
    for (size_t i = 0; i < list->num_items; i++)
        config->recipients[i] = list->items[i];
}

static const char *variable(const bulla_call *call, const char *name)
{
    const bulla_env *env = bulla_env_of(call);
    const char *value = env->lookup == NULL ? NULL : env->lookup(env->arg, name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* PATH below the XDG folder of `name`, else below HOME; false without either (XDG Base Directory Specification: a
 * relative folder counts as unset). */
static bool xdg_path(const bulla_call *call, const char *name, const char *fallback, const char *path, char *out,
                     size_t cap)
{
    const char *folder = variable(call, name), *home = variable(call, "HOME");
    int len = -1;
    if (folder != NULL && folder[0] == '/')
        len = snprintf(out, cap, "%s/bulla%s", folder, path);
    else if (home != NULL && home[0] == '/')
        len = snprintf(out, cap, "%s/%s/bulla%s", home, fallback, path);
    if (len > 0 && (size_t)len < cap) return true;
    out[0] = '\0';
    return false;
}

/* file: and the path, with what an address would take for its own syntax percent-encoded. */
static void file_address(const char *path, char *out, size_t cap)
{
    bulla_writer writer = bulla_writer_of((uint8_t *)out, cap - 1);
    bulla_write_view(&writer, bulla_view_text("file:"));
    for (; *path != '\0'; path++) {
        uint8_t byte = (uint8_t)*path;
        char encoded[4];
        if (byte != '%' && byte != '?' && byte >= 0x20 && byte != 0x7F) {
            bulla_write_u8(&writer, byte);
            continue;
        }
        (void)snprintf(encoded, sizeof encoded, "%%%02X", byte);
        bulla_write_view(&writer, bulla_view_text(encoded));
    }
    out[writer.failed ? 0 : writer.len] = '\0';
}

static bulla_status default_set(bulla_config *config, bulla_call *call, size_t index, const char *value)
{
    if (value == NULL || value[0] == '\0' || get(config, index)->is_set) return BULLA_OK;
    return bulla_conf_set(config->conf, call, bulla_config_fields[index].name, value, "default");
}

static bulla_status defaults_set(bulla_config *config, bulla_call *call)
{
    char path[BULLA_CONFIG_MAX_PATH], address[BULLA_MAX_ADDRESS + 1];
    for (size_t i = 0; i < BULLA_CONFIG_NUM; i++)
        BULLA_TRY(default_set(config, call, i, fallbacks[i]));
    if (xdg_path(call, "XDG_DATA_HOME", ".local/share", "", path, sizeof path))
        BULLA_TRY(default_set(config, call, BULLA_CONFIG_KEYSTORE_PATH, path));
    if (!xdg_path(call, "XDG_CONFIG_HOME", ".config", "/root.key", path, sizeof path)) return BULLA_OK;
    file_address(path, address, sizeof address);
    return default_set(config, call, BULLA_CONFIG_KEYSTORE_ROOT, address);
}

static bulla_status config_new(bulla_call *call, bulla_view text, const char *source, const char *path,
                               bulla_config **out_config)
{
    void *memory = NULL;
    if (text.len > BULLA_MAX_CONFIG)
        return bulla_fail(call, BULLA_ELIMIT, "%s: over %u bytes", source, BULLA_MAX_CONFIG);
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_config), &memory));
    BULLA_AUTO(bulla_config) *config = memory;
    config->env = bulla_env_of(call);
    if (path != NULL) (void)snprintf(config->path, sizeof config->path, "%s", path);
    BULLA_TRY(bulla_conf_parse(call, bulla_config_fields, BULLA_CONFIG_NUM, text, source, &config->conf));
    BULLA_TRY(path_check(config, call));
    BULLA_TRY(stores_check(config, call));
    BULLA_TRY(defaults_set(config, call));
    settings_fill(config);
    *out_config = BULLA_TAKE(config);
    return BULLA_OK;
}

bulla_status bulla_config_parse(bulla_call *call, bulla_view text, const char *source, bulla_config **out_config)
{
    return config_new(call, text, source, NULL, out_config);
}

static bulla_status text_read(bulla_call *call, const char *path, int fd, bulla_config **out_config)
{
    struct stat status;
    if (fstat(fd, &status) != 0) return bulla_errno_fail(call, "configuration %s", path);
    if (S_ISDIR(status.st_mode)) return bulla_fail(call, BULLA_EINVAL, "configuration %s is a folder", path);
    void *memory = NULL;
    size_t cap = BULLA_MAX_CONFIG + 1u, len = 0; /* one more than allowed tells "too long" from "just fits" */
    if (S_ISREG(status.st_mode) && (uintmax_t)status.st_size < cap) cap = (size_t)status.st_size + 1;
    BULLA_TRY(bulla_alloc(call, cap, &memory));
    ssize_t num = 1;
    while (len < cap && num != 0) {
        num = read(fd, (char *)memory + len, cap - len);
        if (num < 0 && errno != EINTR) break;
        len += num > 0 ? (size_t)num : 0;
    }
    bulla_status result = num < 0 ? bulla_errno_fail(call, "configuration %s", path)
                                  : config_new(call, bulla_view_of(memory, len), path, path, out_config);
    bulla_wipe(memory, cap); /* a credential may stand in it */
    bulla_free(bulla_env_of(call), memory);
    return result;
}

bulla_status bulla_config_open(bulla_call *call, const char *path, bulla_config **out_config)
{
    char usual[BULLA_CONFIG_MAX_PATH];
    bool wanted = true; /* somebody named this file: it must be there */
    if (path == NULL) path = variable(call, "BULLA_CONFIG");
    if (path == NULL) {
        wanted = false;
        if (!xdg_path(call, "XDG_CONFIG_HOME", ".config", "/bulla.yaml", usual, sizeof usual))
            return config_new(call, (bulla_view){NULL, 0}, "default", NULL, out_config);
        path = usual;
    }
    if (strlen(path) >= BULLA_CONFIG_MAX_PATH)
        return bulla_fail(call, BULLA_EINVAL, "the configuration's path is over %u bytes", BULLA_CONFIG_MAX_PATH - 1u);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && !wanted && errno == ENOENT)
        return config_new(call, (bulla_view){NULL, 0}, "default", NULL, out_config);
    if (fd < 0) return bulla_errno_fail(call, "configuration %s", path);
    bulla_status status = text_read(call, path, fd, out_config);
    (void)close(fd);
    return status;
}

bulla_status bulla_config_set(bulla_config *config, bulla_call *call, const char *name, const char *value,
                              const char *source)
{
    BULLA_TRY(bulla_conf_set(config->conf, call, name, value, source));
    settings_fill(config);
    return BULLA_OK;
}

const bulla_settings *bulla_config_settings(const bulla_config *config)
{
    return &config->settings;
}

const char *bulla_config_path(const bulla_config *config)
{
    return config->path[0] == '\0' ? NULL : config->path;
}

void bulla_config_free(bulla_config *config)
{
    if (config == NULL) return;
    bulla_conf_free(config->conf);
    bulla_free(config->env, config);
}
