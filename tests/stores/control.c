/* SPDX-License-Identifier: Apache-2.0 */
#include "stores/control.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

const char *fact(const char *name)
{
    char variable[96];
    (void)snprintf(variable, sizeof variable, "BULLA_%s", name);
    const char *value = getenv(variable);
    if (value != NULL) return value;
    (void)fprintf(stderr, "%s is not set: run this through tests/servers/run.py\n", variable);
    exit(77);
}

static void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "control %s: %s\n", what, why);
    exit(1);
}

static void talk(const char *line)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char answer[4096] = "";
    size_t len = 0;
    ssize_t num = 1;
    const char *path = fact("SERVERS_CONTROL");
    if (strlen(path) >= sizeof name.sun_path) die(line, "the socket's path is too long");
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)(const void *)&name, sizeof name) != 0) die(line, "no socket");
    if (write(fd, line, strlen(line)) != (ssize_t)strlen(line)) die(line, "not sent");
    while (num > 0 && len < sizeof answer - 1) {
        num = read(fd, answer + len, sizeof answer - 1 - len);
        if (num > 0) len += (size_t)num;
    }
    (void)close(fd);
    if (strncmp(answer, "ok", 2) != 0) die(line, answer);
}

void control(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (len < 0 || (size_t)len >= sizeof line - 1) die(format, "too long");
    line[len] = '\n';
    line[len + 1] = '\0';
    talk(line);
}
