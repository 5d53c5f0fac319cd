/* SPDX-License-Identifier: Apache-2.0 */
/* The part of a URL that says where (RFC 3986, 3.1 and 3.2), read strictly: what is odd is refused, not mended. */
#include "base/bytes.h"
#include "net/http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <strings.h>

#define MAX_URL 8192u

static bool is_host_char(char c, bool is_bracketed)
{
    if (is_bracketed) return isxdigit((unsigned char)c) != 0 || c == ':' || c == '.';
    return isalnum((unsigned char)c) != 0 || c == '.' || c == '-' || c == '_';
}

static bulla_status check_text(bulla_call *call, const char *url)
{
    size_t len = strnlen(url, MAX_URL + 1);
    if (len > MAX_URL) return bulla_fail(call, BULLA_EINVAL, "a URL has at most %u characters", MAX_URL);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)url[i] <= 0x20 || (unsigned char)url[i] >= 0x7F || url[i] == '\\')
            return bulla_fail(call, BULLA_EINVAL, "character %zu of a URL is a blank, a backslash or not ASCII", i + 1);
    if (strchr(url, '#') != NULL) return bulla_fail(call, BULLA_EINVAL, "a URL without \"#\" is wanted");
    return BULLA_OK;
}

static bulla_status parse_scheme(bulla_call *call, const char **at, bulla_http_url *url)
{
    static const char *const schemes[] = {"https", "http"};
    for (size_t i = 0; i < BULLA_LEN(schemes); i++) {
        size_t len = strlen(schemes[i]);
        if (strncasecmp(*at, schemes[i], len) != 0 || strncmp(*at + len, "://", 3) != 0) continue;
        memcpy(url->scheme, schemes[i], len + 1);
        url->port = i == 0 ? 443 : 80;
        *at += len + 3;
        return BULLA_OK;
    }
    return bulla_fail(call, BULLA_EINVAL, "a URL begins with https:// or http://");
}

/* The length of the host at `at`, brackets and all; 0: none, or one that is none. */
static size_t host_len(const char *at)
{
    bool is_bracketed = *at == '[';
    size_t len = is_bracketed ? 1 : 0;
    while (is_host_char(at[len], is_bracketed))
        len++;
    if (!is_bracketed) return len;
    struct in6_addr address;
    char text[INET6_ADDRSTRLEN];
    if (at[len] != ']' || len - 1 >= sizeof text) return 0;
    memcpy(text, at + 1, len - 1);
    text[len - 1] = '\0';
    return inet_pton(AF_INET6, text, &address) == 1 ? len + 1 : 0;
}

static bulla_status parse_host(bulla_call *call, const char **at, bulla_http_url *url)
{
    if (memchr(*at, '@', strcspn(*at, "/?")) != NULL)
        return bulla_fail(call, BULLA_EINVAL, "a URL here has no user name or password");
    size_t len = host_len(*at);
    if (len == 0) return bulla_fail(call, BULLA_EINVAL, "a URL has a host: a name, an IPv4 address, or [IPv6]");
    if (len >= sizeof url->host)
        return bulla_fail(call, BULLA_EINVAL, "a host has at most %zu characters", sizeof url->host - 1);
    for (size_t i = 0; i < len; i++)
        url->host[i] = (char)tolower((unsigned char)(*at)[i]);
    url->host[len] = '\0';
    *at += len;
    return BULLA_OK;
}

static bulla_status parse_port(bulla_call *call, const char **at, bulla_http_url *url)
{
    if (**at != ':') return BULLA_OK;
    size_t len = strspn(++*at, "0123456789");
    uint32_t port = 0;
    for (size_t i = 0; i < len && port <= UINT16_MAX; i++)
        port = port * 10 + (uint32_t)((*at)[i] - '0');
    if (port == 0 || port > UINT16_MAX) return bulla_fail(call, BULLA_EINVAL, "a port of a URL is 1 to 65535");
    url->port = (uint16_t)port;
    *at += len;
    return BULLA_OK;
}

/* 127.0.0.0/8 in four parts, ::1, localhost. What only a resolver could take for these is none of them. */
static bool is_loopback(const char *host)
{
    struct in_addr address;
    if (inet_pton(AF_INET, host, &address) == 1) return (ntohl(address.s_addr) >> 24) == 127;
    return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0;
}

bulla_status bulla_http_url_parse(bulla_call *call, const char *url, bulla_http_url *out_url)
{
    if (url == NULL) return bulla_fail(call, BULLA_EINVAL, "a URL is NULL");
    bulla_http_url parsed = {.port = 0};
    const char *at = url;
    BULLA_TRY(check_text(call, url));
    BULLA_TRY(parse_scheme(call, &at, &parsed));
    BULLA_TRY(parse_host(call, &at, &parsed));
    BULLA_TRY(parse_port(call, &at, &parsed));
    if (*at != '\0' && *at != '/' && *at != '?')
        return bulla_fail(call, BULLA_EINVAL, "character %zu of a URL is not one of a host and port",
                          (size_t)(at - url) + 1);
    parsed.is_loopback = is_loopback(parsed.host);
    *out_url = parsed;
    return BULLA_OK;
}
