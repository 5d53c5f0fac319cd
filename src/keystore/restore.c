/* SPDX-License-Identifier: Apache-2.0 */
/* Restore (spec/keystore.md, Backup): into a place beside, checked as a whole, then renamed. */
#include "base/context.h"
#include "base/mem.h"
#include "crypto/kdf.h"
#include "envelope/buffer.h"
#include "keystore/container.h"
#include "keystore/state_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define HASH_LEN 32u
#define STAGE_NAME "new"

/* --- the header, looked at before the message is opened --- */

/* A source that remembers what was read from it until it is rewound, and gives it once more. */
typedef struct rewound {
    const bulla_source *inner;
    bulla_buffer read;
    size_t at;
    bool replaying;
} rewound;

static void rewound_done(rewound *self)
{
    bulla_buffer_done(&self->read);
}

/* What was read, or a piece of what comes: whoever hands it on has bounded the whole. */
static bulla_status keep(bulla_buffer *to, bulla_call *call, bulla_view bytes)
{
    return bytes.len == 0 ? BULLA_OK : bulla_buffer_append(to, call, bytes, SIZE_MAX);
}

static bulla_status rewound_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    rewound *self = arg;
    size_t left = self->read.len - self->at;
    if (self->replaying && left != 0) {
        size_t take = left < len ? left : len;
        memcpy(buf, self->read.data + self->at, take);
        self->at += take;
        *out_len = take;
        return BULLA_OK;
    }
    size_t got = 0;
    BULLA_TRY(self->inner->read(self->inner->arg, call, buf, len, &got));
    if (!self->replaying) BULLA_TRY(keep(&self->read, call, bulla_view_of(buf, got)));
    *out_len = got;
    return BULLA_OK;
}

static void message_done(bulla_message **message)
{
    bulla_message_close(*message);
}

/* Is it a backup, and under which root address? Not authenticated yet: opening the message proves it. */
static bulla_status header_read(rewound *source, bulla_call *call, char out_address[BULLA_MAX_ADDRESS + 1])
{
    __attribute__((cleanup(message_done))) bulla_message *message = NULL;
    const bulla_source from = {rewound_read, source};
    bulla_view version = {NULL, 0}, address = {NULL, 0};
    BULLA_TRY(bulla_message_open(call, &from, &message));
    const bulla_context *context = bulla_message_info_get(message)->context;
    if (!bulla_context_find(context, bulla_view_text("bulla-backup"), &version) ||
        !bulla_context_find(context, bulla_view_text("root"), &address) || address.len > BULLA_MAX_ADDRESS)
        return bulla_fail(call, BULLA_EFORMAT, "the message is not a backup of a keystore");
    if (!bulla_view_is(version, "1"))
        return bulla_fail(call, BULLA_EUNSUPPORTED, "the backup is of a later format: use the program that made it");
    bulla_copy(out_address, address.data, address.len);
    out_address[address.len] = '\0';
    source->replaying = true;
    return BULLA_OK;
}

/* --- the parts as they come --- */

typedef struct restored {
    int fd; /* the staged database */
    bulla_buffer manifest, config;
    bulla_hasher *rotation;
    bulla_container container;
} restored;

static void restored_done(restored *self)
{
    if (self->fd >= 0) (void)close(self->fd);
    bulla_buffer_done(&self->manifest);
    bulla_buffer_done(&self->config);
    bulla_hasher_free(self->rotation);
}

static bulla_status file_add(restored *self, bulla_call *call, bulla_view bytes)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t put = write(self->fd, bytes.data + done, bytes.len - done);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return bulla_file_fail(call, "write", "the keystore");
        done += (size_t)put;
    }
    return BULLA_OK;
}

static bulla_status part_take(void *arg, bulla_call *call, bulla_part part, bulla_view bytes)
{
    restored *self = arg;
    switch (part) {
    case BULLA_PART_MANIFEST: return keep(&self->manifest, call, bytes);
    case BULLA_PART_KEYSTORE: return file_add(self, call, bytes);
    case BULLA_PART_CONFIG: return keep(&self->config, call, bytes);
    case BULLA_PART_ROTATION: return bulla_hasher_write(self->rotation, call, bytes);
    case BULLA_PART_END: break;
    }
    return bulla_fail(call, BULLA_EINTERNAL, "a part of the backup that has no content");
}

static bulla_status sink_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    restored *self = arg;
    (void)offset; /* in order: the sink has no random access */
    return bulla_container_read(&self->container, call, bytes);
}

static bulla_status message_read(const bulla_restore_plan *plan, bulla_call *call, const bulla_source *source,
                                 restored *into)
{
    __attribute__((cleanup(rewound_done))) rewound again = {.inner = source};
    BULLA_AUTO(bulla_provider) *root = NULL;
    char address[BULLA_MAX_ADDRESS + 1];
    const bulla_pair require = {bulla_view_text("bulla-backup"), bulla_view_text("1")};
    BULLA_TRY(header_read(&again, call, address));
    if (plan->num_recipients == 0) BULLA_TRY(plan->opener->open(plan->opener->arg, call, address, &root));
    const bulla_decrypt_options options = {
        .size = sizeof options,
        .recipients = root != NULL ? &root : plan->recipients,
        .num_recipients = root != NULL ? 1 : plan->num_recipients,
        .require = &require,
        .num_require = 1,
    };
    const bulla_source from = {rewound_read, &again};
    const bulla_sink sink = {sink_write, into, false};
    BULLA_TRY(bulla_decrypt_copy(call, &options, &from, &sink));
    return bulla_container_finish(&into->container, call);
}

/* --- what was restored, compared with what was said of it --- */

static bulla_status text_hash(void *arg, bulla_call *call, bulla_view text)
{
    return bulla_hasher_write(arg, call, text);
}

static bulla_status rotation_compare(bulla_db *db, bulla_call *call, bulla_hasher *said)
{
    BULLA_AUTO(bulla_hasher) *found = NULL;
    uint8_t a[BULLA_HASH_MAX], b[BULLA_HASH_MAX];
    BULLA_TRY(bulla_hasher_new(call, BULLA_SHA256, &found));
    BULLA_TRY(bulla_rotation_text(db, call, text_hash, found));
    BULLA_TRY(bulla_hasher_finish(found, call, a));
    BULLA_TRY(bulla_hasher_finish(said, call, b));
    return memcmp(a, b, HASH_LEN) == 0
               ? BULLA_OK
               : bulla_fail(call, BULLA_ECORRUPT, "the backup's rotation state is not that of its keystore");
}

static bulla_status manifest_compare(bulla_db *db, bulla_call *call, const bulla_buffer *said)
{
    bulla_manifest found;
    BULLA_TRY(bulla_manifest_read(db, call, &found));
    if (said->len <= found.created_at || memcmp(said->data, found.text, found.created_at) != 0)
        return bulla_fail(call, BULLA_ECORRUPT, "the backup's manifest does not describe its keystore");
    return BULLA_OK;
}

static bulla_status database_verify(const char *file, bulla_call *call, restored *said)
{
    BULLA_DB(db);
    BULLA_TRY(bulla_db_open(call, file, false, &db));
    BULLA_TRY(manifest_compare(&db, call, &said->manifest));
    BULLA_TRY(rotation_compare(&db, call, said->rotation));
    return bulla_db_text(&db, call, "PRAGMA journal_mode=WAL");
}

static bulla_status restore_record(bulla_store *store, bulla_call *call)
{
    BULLA_SESSION(session);
    BULLA_TRY(bulla_session_write(store, call, &session));
    BULLA_TRY(bulla_event_add(&store->db, call, "store.restore", 0, "from a backup"));
    return bulla_session_commit(&session, call);
}

typedef struct finding {
    char text[200];
} finding;

/* The first one says most: others may follow from it. */
static void finding_keep(void *arg, const char *text)
{
    finding *first = arg;
    if (first->text[0] == '\0') (void)snprintf(first->text, sizeof first->text, "%s", text);
}

static bulla_status staged_verify(const bulla_restore_plan *plan, bulla_call *call, const char *file, restored *said)
{
    BULLA_AUTO(bulla_store) *store = NULL;
    char folder[BULLA_DB_PATH];
    BULLA_TRY(database_verify(file, call, said));
    BULLA_TRY(bulla_path_join(call, plan->path, STAGE_NAME, folder));
    BULLA_TRY(bulla_store_open(call, folder, plan->opener, &store));
    finding first = {""};
    bulla_status status = bulla_store_check(store, call, finding_keep, &first);
    if (status == BULLA_ECORRUPT && first.text[0] != '\0')
        return bulla_fail(call, status, "the keystore in the backup is not sound: %s", first.text);
    BULLA_TRY(status);
    return restore_record(store, call);
}

static bulla_status restore_into(const bulla_restore_plan *plan, bulla_call *call, bulla_folder *folder,
                                 const bulla_source *source, restored *into)
{
    char file[BULLA_DB_PATH];
    BULLA_TRY(bulla_folder_stage(folder, call, file));
    into->fd = open(file, O_WRONLY | O_CLOEXEC);
    if (into->fd < 0) return bulla_file_fail(call, "open", file);
    BULLA_TRY(message_read(plan, call, source, into));
    if (fsync(into->fd) != 0) return bulla_file_fail(call, "write", file);
    (void)close(into->fd); /* once SQLite has opened the file, closing it here would drop SQLite's locks (POSIX) */
    into->fd = -1;
    BULLA_TRY(staged_verify(plan, call, file, into));
    return bulla_folder_install(folder, call);
}

bulla_status bulla_store_restore(bulla_call *call, const bulla_restore_plan *plan, const bulla_source *source,
                                 bulla_bytes *out_config)
{
    BULLA_FOLDER(folder);
    __attribute__((cleanup(restored_done))) restored into = {.fd = -1};
    into.container = (bulla_container){.visit = part_take, .arg = &into};
    BULLA_TRY(bulla_folder_check(call, plan->path, false));
    BULLA_TRY(bulla_hasher_new(call, BULLA_SHA256, &into.rotation));
    BULLA_TRY(bulla_folder_lock(call, plan->path, true, &folder));
    BULLA_TRY(bulla_folder_check(call, plan->path, false));
    BULLA_TRY(restore_into(plan, call, &folder, source, &into));
    if (out_config == NULL) return BULLA_OK;
    *out_config = (bulla_bytes){BULLA_TAKE(into.config.data), into.config.len, bulla_env_of(call)};
    return BULLA_OK;
}
