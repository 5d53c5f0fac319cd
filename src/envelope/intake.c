/* SPDX-License-Identifier: Apache-2.0 */
#include "envelope/intake.h"

#include "base/bytes.h"

/* A callback that fails without a sentence gets one. */
static bulla_status told(bulla_call *call, bulla_status status, const char *who)
{
    if (status == BULLA_OK || call == NULL || call->status == status) return status;
    return bulla_fail(call, status, "the %s failed: %s", who, bulla_status_text(status));
}

/* So that a sentence about an earlier failure is not taken for one about this. */
static void forget(bulla_call *call)
{
    if (call != NULL) call->status = BULLA_OK;
}

bulla_status bulla_source_read(const bulla_source *source, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    size_t got = 0;
    forget(call);
    BULLA_TRY(told(call, source->read(source->arg, call, buf, len, &got), "source"));
    if (got > len) return bulla_fail(call, BULLA_ECONTRACT, "the source gave more bytes than it was asked for");
    *out_len = got;
    return BULLA_OK;
}

bulla_status bulla_sink_write(const bulla_sink *sink, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    if (bytes.len == 0) return BULLA_OK;
    forget(call);
    return told(call, sink->write(sink->arg, call, offset, bytes), "sink");
}

static size_t lead_take(bulla_intake *intake, uint8_t *buf, size_t len)
{
    if (len > intake->lead.len) len = intake->lead.len;
    if (len == 0) return 0;
    bulla_copy(buf, intake->lead.data, len);
    intake->lead = bulla_view_of(intake->lead.data + len, intake->lead.len - len);
    return len;
}

bulla_status bulla_intake_read(bulla_intake *intake, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    size_t have = lead_take(intake, buf, len);
    while (have < len && !intake->is_ended) {
        size_t got = 0;
        BULLA_TRY(bulla_source_read(intake->source, call, buf + have, len - have, &got));
        intake->is_ended = got == 0;
        have += got;
    }
    *out_len = have;
    return BULLA_OK;
}
