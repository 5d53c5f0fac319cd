/* SPDX-License-Identifier: Apache-2.0 */
/* The headers of a request to AWS, signed at AWS's time. */
#include "base/mem.h"
#include "provider/aws.h"

#include <stdio.h>

#define MAX_AUTHORIZATION 1024u
#define SKEW_S 240 /* AWS takes requests that are up to 300 s off */

int64_t bulla_aws_now_s(const bulla_call *call, const int64_t *skew_s)
{
    return bulla_wall_s(call) + __atomic_load_n(skew_s, __ATOMIC_RELAXED);
}

/* Set and not added to: of many requests that were signed at the wrong time each brings the same news. */
bool bulla_aws_skew_note(const bulla_call *call, int64_t *skew_s, const bulla_http_answer *answer, int64_t signed_s)
{
    if (answer->date_s <= 0 || answer->code < 400 || answer->code > 403) return false;
    int64_t off_s = answer->date_s - signed_s;
    if (off_s > -SKEW_S && off_s < SKEW_S) return false;
    __atomic_store_n(skew_s, answer->date_s - bulla_wall_s(call), __ATOMIC_RELAXED);
    return true;
}

void bulla_aws_headers_done(bulla_aws_headers *headers)
{
    bulla_secret_unref(headers->authorization);
    headers->authorization = NULL;
}

/* What curl puts into Host: the port only where it is not the scheme's. */
static void host_format(const char *url, char out[BULLA_AWS_MAX_URL])
{
    const char *start = strstr(url, "://") + 3;
    size_t len = strcspn(start, "/?#");
    bool is_https = strncmp(url, "https:", 6) == 0;
    const char *port = is_https ? ":443" : ":80";
    if (len > strlen(port) && strncmp(start + len - strlen(port), port, strlen(port)) == 0) len -= strlen(port);
    (void)snprintf(out, BULLA_AWS_MAX_URL, "%.*s", (int)len, start);
}

static const char *path_of(const char *url)
{
    const char *path = strchr(strstr(url, "://") + 3, '/');
    return path == NULL ? "/" : path;
}

static void add(bulla_aws_headers *headers, const char *name, bulla_view value)
{
    headers->list[headers->num++] = (bulla_http_header){name, value};
}

bulla_status bulla_aws_authorize(bulla_call *call, bulla_aws_creds *signer, const bulla_sigv4_request *request,
                                 const bulla_sigv4_scope *scope, bulla_secret **out_authorization)
{
    BULLA_AUTO(bulla_secret) *key = NULL;
    BULLA_WIPED(uint8_t, text, MAX_AUTHORIZATION);
    bulla_writer writer = bulla_writer_of(text, MAX_AUTHORIZATION);
    BULLA_TRY(bulla_aws_creds_key(signer, call, scope, &key));
    BULLA_TRY(bulla_sigv4_authorization_write(call, request, scope, bulla_view_text(signer->value.access_key_id),
                                              bulla_secret_borrow(key), &writer));
    return bulla_secret_copy(call, bulla_view_of(text, writer.len), out_authorization);
}

static bulla_status sign(bulla_call *call, const bulla_aws_post *post, bulla_aws_headers *headers)
{
    const bulla_sigv4_scope scope = {post->now_s, post->region, post->service};
    bulla_sigv4_header signed_headers[BULLA_LEN(headers->list) + 1] = {{"Host", bulla_view_text(headers->host)}};
    for (size_t i = 0; i < headers->num; i++)
        signed_headers[i + 1] = (bulla_sigv4_header){headers->list[i].name, headers->list[i].value};
    const bulla_sigv4_request request = {.method = "POST",
                                         .path = bulla_view_text(path_of(post->url)),
                                         .headers = signed_headers,
                                         .num_headers = headers->num + 1,
                                         .body = post->body};
    BULLA_TRY(bulla_aws_authorize(call, post->signer, &request, &scope, &headers->authorization));
    add(headers, "Authorization", bulla_secret_borrow(headers->authorization));
    return BULLA_OK;
}

bulla_status bulla_aws_headers_init(bulla_call *call, const bulla_aws_post *post, bulla_aws_headers *headers)
{
    add(headers, "Content-Type", bulla_view_text(post->content_type));
    if (post->target != NULL) add(headers, "X-Amz-Target", bulla_view_text(post->target));
    if (post->signer == NULL) return BULLA_OK;
    host_format(post->url, headers->host);
    bulla_sigv4_time_format(post->now_s, headers->time);
    add(headers, "X-Amz-Date", bulla_view_text(headers->time));
    if (post->signer->value.token != NULL)
        add(headers, "X-Amz-Security-Token", bulla_secret_borrow(post->signer->value.token));
    return sign(call, post, headers);
}
