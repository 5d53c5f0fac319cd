/* SPDX-License-Identifier: Apache-2.0 */
/* URLs: whatever the text, what is taken has a host and a port that say the same when they are read again. */
#include "net/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char *text = malloc(len + 1), again[300];
    if (text == NULL) return 0;
    if (len != 0) memcpy(text, data, len);
    text[len] = '\0';
    bulla_call call;
    bulla_http_url url, same;
    bulla_call_init(&call, NULL);
    bulla_status status = bulla_http_url_parse(&call, text, &url);
    require(status == BULLA_OK || (status == BULLA_EINVAL && call.why[0] != '\0'));
    if (status == BULLA_OK) {
        require(url.port != 0 && url.host[0] != '\0' && strpbrk(url.host, "@/?#\\ \r\n") == NULL);
        (void)snprintf(again, sizeof again, "%s://%s:%u", url.scheme, url.host, url.port);
        require(bulla_http_url_parse(&call, again, &same) == BULLA_OK);
        require(strcmp(same.host, url.host) == 0 && same.port == url.port && same.is_loopback == url.is_loopback);
    }
    free(text);
    return 0;
}
