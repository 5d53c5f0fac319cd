/* SPDX-License-Identifier: Apache-2.0 */
/* Where the settings of a key store come from: its configuration, the environment of the call, files. */
#include "base/bytes.h"
#include "base/mem.h"
#include "base/oserror.h"
#include "base/secret.h"
#include "net/http.h"
#include "provider/kms.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define MAX_SECRET_FILE (64u << 10)

bulla_status bulla_kms_url_check(bulla_call *call, const bulla_kms_config *config, const char *what, const char *url)
{
    bulla_http_url parsed;
    BULLA_TRY(bulla_http_url_parse(call, url, &parsed));
    if (strcmp(parsed.scheme, "https") == 0 || parsed.is_loopback) return BULLA_OK;
    if (!config->tls.accept_unencrypted_http)
        return bulla_fail(
            call, BULLA_ECONFIG,
            "key store \"%s\": %s is plain http to %.64s: everybody on the way could read credentials and "
            "data keys; use https, or set tls.accept_unencrypted_http",
            config->name, what, parsed.host);
    bulla_log(bulla_env_of(call), BULLA_LOG_WARN,
              "key store \"%s\": tls.accept_unencrypted_http is set: whoever sees what goes to %s has its credentials "
              "and data keys",
              config->name, parsed.host);
    return BULLA_OK;
}

const char *bulla_kms_setting(const bulla_call *call, const char *configured, const char *names, const char *fallback)
{
    const bulla_env *env = bulla_env_of(call);
    if (configured != NULL) return configured;
    while (env->lookup != NULL && names != NULL && names[0] != '\0') {
        char name[64];
        size_t len = strcspn(names, " ");
        if (len < sizeof name) {
            memcpy(name, names, len);
            name[len] = '\0';
            const char *value = env->lookup(env->arg, name);
            if (value != NULL && value[0] != '\0') return value;
        }
        names += len + (names[len] == ' ');
    }
    return fallback;
}

bulla_status bulla_kms_secret(bulla_call *call, bulla_secret *configured, const char *names, bulla_secret **out_secret)
{
    if (configured != NULL) {
        *out_secret = bulla_secret_ref(configured);
        return BULLA_OK;
    }
    const char *value = bulla_kms_setting(call, NULL, names, NULL);
    if (value == NULL) {
        *out_secret = NULL;
        return BULLA_OK;
    }
    return bulla_secret_copy(call, bulla_view_text(value), out_secret);
}

static bulla_status fd_read(bulla_call *call, const char *path, int fd, bulla_secret **out_secret)
{
    BULLA_AUTO(bulla_secret) *all = NULL;
    BULLA_TRY(bulla_secret_new(call, MAX_SECRET_FILE + 1u, &all));
    uint8_t *to = bulla_secret_fill(all);
    size_t len = 0;
    ssize_t num = 1;
    while (len <= MAX_SECRET_FILE && num != 0) {
        num = read(fd, to + len, MAX_SECRET_FILE + 1u - len);
        if (num < 0 && errno != EINTR) return bulla_errno_fail(call, "%.160s", path);
        len += num > 0 ? (size_t)num : 0;
    }
    if (len > MAX_SECRET_FILE)
        return bulla_fail(call, BULLA_ELIMIT, "%.160s: over %u bytes for a credential", path, MAX_SECRET_FILE);
    while (len != 0 && (to[len - 1] == '\n' || to[len - 1] == '\r'))
        len--;
    if (len == 0) return bulla_fail(call, BULLA_ECONFIG, "%.160s: empty, where a credential should be", path);
    return bulla_secret_copy(call, bulla_view_of(to, len), out_secret);
}

bulla_status bulla_kms_secret_file(bulla_call *call, const char *path, bulla_secret **out_secret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* a FIFO gives nothing and holds nobody */
    if (fd < 0) return bulla_errno_fail(call, "%.160s", path);
    bulla_status status = fd_read(call, path, fd, out_secret);
    (void)close(fd);
    return status;
}
