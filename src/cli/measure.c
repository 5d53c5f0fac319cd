/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/measure.h"

#include <unistd.h>

/* message-body.md: a regular frame is number, IV, content, tag; the final one has a mark before and a length in it. */
#define FRAME_EXTRA (4u + 12u + 16u)
#define FINAL_HEAD (4u + 4u + 12u + 4u)
#define FINAL_EXTRA (FINAL_HEAD + 16u)
#define FINAL_MARK 0xffffffffu
#define SINGLE_HEAD (12u + 8u) /* IV and length of a body that is not framed */
#define TAG_LEN 16u
#define FOOTER_MIN (2u + 8u) /* message-footer.md: length, and at the least the skeleton of a DER signature */
#define FOOTER_MAX (2u + 512u)

static uint64_t number(const uint8_t *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | bytes[i];
    return value;
}

static bool read_at(int fd, uint64_t offset, uint8_t *out, size_t len)
{
    return pread(fd, out, len, (off_t)offset) == (ssize_t)len;
}

/* What follows the last tag: nothing, or the signature of a signed message. */
static bool is_rest(const bulla_message_info *info, uint64_t rest)
{
    return info->is_signed ? rest >= FOOTER_MIN && rest <= FOOTER_MAX : rest == 0;
}

static bool single_measure(int fd, const bulla_message_info *info, uint64_t body_len, uint64_t *out_len)
{
    uint8_t head[SINGLE_HEAD];
    if (!read_at(fd, info->header_len, head, sizeof head)) return false;
    uint64_t len = number(head + 12, 8);
    uint64_t room = body_len - SINGLE_HEAD;
    if (room < TAG_LEN || len > room - TAG_LEN || !is_rest(info, room - TAG_LEN - len)) return false;
    *out_len = len;
    return true;
}

/* Whether the final frame begins after `num_frames` regular ones. */
static bool final_at(int fd, const bulla_message_info *info, uint64_t body_len, uint64_t num_frames, uint64_t *out_len)
{
    uint8_t head[FINAL_HEAD];
    uint64_t at = num_frames * ((uint64_t)info->frame_len + FRAME_EXTRA);
    if (at + FINAL_EXTRA > body_len || !read_at(fd, info->header_len + at, head, sizeof head)) return false;
    uint64_t len = number(head + FINAL_HEAD - 4, 4);
    bool fits = number(head, 4) == FINAL_MARK && number(head + 4, 4) == num_frames + 1 && len <= info->frame_len &&
                at + FINAL_EXTRA + len <= body_len && is_rest(info, body_len - at - FINAL_EXTRA - len);
    if (fits) *out_len = num_frames * info->frame_len + len;
    return fits;
}

bool cli_measure(int fd, const bulla_message_info *info, uint64_t file_len, uint64_t *out_plaintext_len)
{
    if (file_len < info->header_len) return false;
    uint64_t body_len = file_len - info->header_len;
    if (!info->framed) return single_measure(fd, info, body_len, out_plaintext_len);
    /* A footer that is not there, or a full final frame, leave two or three places where the final frame may begin. */
    uint64_t most = body_len / ((uint64_t)info->frame_len + FRAME_EXTRA);
    uint64_t least = most - FOOTER_MAX / ((uint64_t)info->frame_len + FRAME_EXTRA);
    least = least > most || least < 2 ? 0 : least - 2;
    for (uint64_t num = most + 1; num-- > least;)
        if (final_at(fd, info, body_len, num, out_plaintext_len)) return true;
    return false;
}
