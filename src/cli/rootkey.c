/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/rootkey.h"

#include "cli/save.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* file:PATH with the present folder before PATH, which may hold what an address takes for its own syntax. */
static bulla_status make_absolute(struct cli *cli, const char *path, char out_address[CLI_ADDRESS])
{
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof folder) == NULL) return cli_errno(cli, "the present folder");
    size_t len = (size_t)snprintf(out_address, CLI_ADDRESS, "file:");
    for (const char *at = folder; *at != '\0' && len < CLI_ADDRESS; at++) {
        bool plain = *at != '%' && *at != '?' && (unsigned char)*at >= 0x20 && *at != 0x7F;
        len += (size_t)snprintf(out_address + len, CLI_ADDRESS - len, plain ? "%c" : "%%%02X", (unsigned char)*at);
    }
    if (len < CLI_ADDRESS) len += (size_t)snprintf(out_address + len, CLI_ADDRESS - len, "/%s", path);
    if (len < CLI_ADDRESS) return BULLA_OK;
    return bulla_fail(&cli->call, BULLA_ELIMIT, "the address of the root key is over %u bytes", BULLA_MAX_ADDRESS);
}

bulla_status cli_root_address(struct cli *cli, char out_address[CLI_ADDRESS])
{
    const bulla_settings *settings = NULL;
    CLI_TRY(cli_config_open(cli, &settings));
    const char *address = cli_value(cli, "root");
    if (address == NULL || strcmp(address, "file:") == 0) address = settings->root;
    if (address == NULL)
        return cli_usage(cli, "there is no usual place for the root key without HOME: give --root ADDRESS");
    bool relative = strncmp(address, "file:", 5) == 0 && address[5] != '/' && address[5] != '\0';
    if (relative) return make_absolute(cli, address + 5, out_address);
    if (strlen(address) >= CLI_ADDRESS) return cli_usage(cli, "--root: over %u bytes", BULLA_MAX_ADDRESS);
    memcpy(out_address, address, strlen(address) + 1);
    return BULLA_OK;
}

bulla_status cli_folders_create(struct cli *cli, const char *path, bool whole)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof part) return bulla_fail(&cli->call, BULLA_ELIMIT, "%.64s...: the path is too long", path);
    for (size_t i = 1; i <= len; i++) {
        bool end = i == len && whole;
        if (path[i] != '/' && !end) continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) return cli_errno(cli, part);
    }
    return BULLA_OK;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c | 0x20);
    return at == NULL ? -1 : (int)(at - digits);
}

/* The path in a file: address: what stands before "?", percent-decoded. The provider reads the same and judges it; a
 * text that it would refuse gives no path here. */
static bool path_of(const char *address, char out_path[PATH_MAX])
{
    size_t len = 0;
    if (strncmp(address, "file:", 5) != 0) return false;
    for (const char *at = address + 5; *at != '\0' && *at != '?'; at++) {
        char c = *at;
        if (c == '%') {
            int high = hex_value(at[1]), low = high < 0 ? -1 : hex_value(at[2]);
            if (low < 0) return false;
            c = (char)(high << 4 | low);
            at += 2;
        }
        if (c == '\0' || len + 1 >= PATH_MAX) return false;
        out_path[len++] = c;
    }
    out_path[len] = '\0';
    return len != 0;
}

#define KEY_LEN 32u

struct new_key {
    bulla_secret *raw;
    char text[48];
};

static void new_key_done(struct new_key *key)
{
    bulla_secret_unref(key->raw);
    bulla_wipe(key->text, sizeof key->text);
}

/* That nothing is wrong with the address but the missing file: no key is to be made for one that cannot be used. */
static bulla_status check_only_missing(struct cli *cli, const char *address)
{
    bulla *house = NULL;
    CLI_AUTO(cli_provider_done) bulla_provider *provider = NULL;
    CLI_TRY(cli_house_open(cli, &house));
    bulla_status status = bulla_provider_open(house, &cli->call, address, &provider);
    return status == BULLA_ENOFILE ? BULLA_OK : status;
}

bulla_status cli_root_key_create(struct cli *cli, const char *address, char out_path[PATH_MAX])
{
    struct stat status;
    char path[PATH_MAX];
    out_path[0] = '\0';
    if (!path_of(address, path)) return BULLA_OK;
    if (lstat(path, &status) == 0) return BULLA_OK; /* one that is there is used; the provider checks its mode */
    if (errno != ENOENT) return cli_errno(cli, path);
    CLI_TRY(check_only_missing(cli, address));

    CLI_AUTO(new_key_done) struct new_key key = {.raw = NULL};
    CLI_TRY(cli_folders_create(cli, path, false));
    CLI_TRY(bulla_secret_random(&cli->call, KEY_LEN, &key.raw));
    cli_base64(bulla_secret_borrow(key.raw).data, KEY_LEN, key.text);
    size_t len = strlen(key.text);
    key.text[len++] = '\n';
    CLI_TRY(cli_save_bytes(cli, path, false, 0600, (bulla_view){(const uint8_t *)key.text, len}));
    memcpy(out_path, path, strlen(path) + 1);
    return BULLA_OK;
}
