/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a message without a key. */
#include "envelope/message.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "envelope/intake.h"

BULLA_AUTO_DEFINE(bulla_message, bulla_message_close)

/* Reads as far as the next field that tells how much more there is, and so no byte too far. */
static bulla_status header_read(bulla_message *message, bulla_call *call, const bulla_source *source)
{
    bulla_intake intake = {.source = source};
    size_t need = 2;
    while (message->bytes.len < need) {
        size_t missing = need - message->bytes.len, got = 0;
        BULLA_TRY(bulla_buffer_reserve(&message->bytes, call, need));
        BULLA_TRY(bulla_intake_read(&intake, call, message->bytes.data + message->bytes.len, missing, &got));
        message->bytes.len += got;
        if (got < missing)
            return bulla_fail(call, BULLA_EINTEGRITY, "the message ends early: at byte %zu, in its header",
                              message->bytes.len);
        BULLA_TRY(bulla_header_decode(call, bulla_buffer_view(&message->bytes), &message->header, &need));
    }
    return BULLA_OK;
}

static void info_fill(bulla_message *message)
{
    const bulla_header *header = &message->header;
    message->info = (bulla_message_info){
        .version = header->suite->version,
        .suite = header->suite->id,
        .suite_name = header->suite->name,
        .committing = bulla_suite_is_committing(header->suite),
        .is_signed = header->suite->is_signed,
        .framed = header->framed,
        .message_id = header->id,
        .context = header->context,
        .recipients = header->recipients,
        .num_recipients = header->num_recipients,
        .frame_len = header->frame_len,
        .header_len = header->len,
    };
}

bulla_status bulla_message_open(bulla_call *call, const bulla_source *source, bulla_message **out_message)
{
    void *memory = NULL;
    if (call == NULL || source == NULL) return bulla_fail(call, BULLA_EINVAL, "a call and a source must be given");
    BULLA_TRY(bulla_alloc(call, sizeof(bulla_message), &memory));
    BULLA_AUTO(bulla_message) *message = memory;
    message->env = bulla_env_of(call);
    BULLA_TRY(header_read(message, call, source));
    info_fill(message);
    *out_message = BULLA_TAKE(message);
    return BULLA_OK;
}

const bulla_message_info *bulla_message_info_get(const bulla_message *message)
{
    return message == NULL ? NULL : &message->info;
}

void bulla_message_close(bulla_message *message)
{
    if (message == NULL) return;
    bulla_header_done(&message->header);
    bulla_buffer_done(&message->bytes);
    bulla_free(message->env, message);
}
