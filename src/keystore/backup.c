/* SPDX-License-Identifier: Apache-2.0 */
/* Backup (spec/keystore.md, Backup): a consistent copy, put into the container and encrypted as it is read. */
#include "base/context.h"
#include "base/mem.h"
#include "keystore/container.h"
#include "keystore/state_text.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_NAME "backup.tmp"
#define NUM_PARTS 4u
#define NUM_SEGMENTS (2 + 2 * NUM_PARTS) /* start and end; a head and its content for each part */

static void fd_done(const int *fd)
{
    if (*fd >= 0) (void)close(*fd);
}
#define AUTO_FD(name) __attribute__((cleanup(fd_done))) int name = -1

/* --- the copy --- */

static bulla_status vacuum_into(bulla_db *db, bulla_call *call, const char *path)
{
    sqlite3_stmt *stmt = NULL;
    int code = sqlite3_prepare_v2(db->handle, "VACUUM INTO ?1", -1, &stmt, NULL);
    if (code == SQLITE_OK) code = sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
    if (code == SQLITE_OK) code = sqlite3_step(stmt);
    bulla_status status = code == SQLITE_DONE ? BULLA_OK : bulla_db_fail(db, call, code, "copy the keystore");
    (void)sqlite3_finalize(stmt);
    return status;
}

static bulla_status copy_make(bulla_store *store, bulla_call *call, const char *copy)
{
    BULLA_DB(db);
    char path[BULLA_DB_PATH];
    BULLA_TRY(bulla_path_join(call, store->path, BULLA_DB_FILE, path));
    BULLA_TRY(bulla_db_open(call, path, false, &db));
    return vacuum_into(&db, call, copy);
}

static bulla_status text_append(void *arg, bulla_call *call, bulla_view text)
{
    const int *fd = arg;
    return write(*fd, text.data, text.len) == (ssize_t)text.len ? BULLA_OK
                                                                : bulla_file_fail(call, "write", "the rotation state");
}

/* A file without a name in the folder: it ends with its descriptor. */
static bulla_status nameless_file(bulla_folder *folder, bulla_call *call, int *out_fd)
{
    BULLA_TRY(bulla_folder_file(folder, call, COPY_NAME, out_fd));
    (void)unlinkat(folder->fd, COPY_NAME, 0);
    return BULLA_OK;
}

static bulla_status describe_copy(bulla_call *call, const char *copy, bulla_manifest *manifest, int rotation_fd)
{
    BULLA_DB(db);
    BULLA_TRY(bulla_db_open(call, copy, false, &db));
    BULLA_TRY(bulla_manifest_read(&db, call, manifest));
    return bulla_rotation_text(&db, call, text_append, &rotation_fd);
}

/* The database's copy and the text of its rotation state, both as descriptors of files that have no name any more. */
static bulla_status copy_open(bulla_store *store, bulla_call *call, bulla_manifest *manifest, int *copy_fd,
                              int *rotation_fd)
{
    BULLA_FOLDER(folder);
    AUTO_FD(empty);
    char copy[BULLA_DB_PATH];
    BULLA_TRY(bulla_folder_lock(call, store->path, false, &folder));
    BULLA_TRY(bulla_path_join(call, store->path, COPY_NAME, copy));
    BULLA_TRY(nameless_file(&folder, call, rotation_fd));
    BULLA_TRY(bulla_folder_file(&folder, call, COPY_NAME, &empty)); /* SQLite fills an empty file and keeps its mode */
    bulla_status status = copy_make(store, call, copy);
    if (status == BULLA_OK) status = describe_copy(call, copy, manifest, *rotation_fd);
    if (status == BULLA_OK) *copy_fd = openat(folder.fd, COPY_NAME, O_RDONLY | O_CLOEXEC);
    if (status == BULLA_OK && *copy_fd < 0) status = bulla_file_fail(call, "open", copy);
    (void)unlinkat(folder.fd, COPY_NAME, 0);
    return status;
}

/* --- the container as a source --- */

/* A run of bytes: in memory, or of a file. */
typedef struct segment {
    bulla_view bytes;
    int fd; /* -1: in memory */
    uint64_t len;
} segment;

typedef struct container_source {
    segment segments[NUM_SEGMENTS];
    size_t num_segments, at;
    uint64_t done; /* of the segment at hand */
    uint64_t total;
    uint8_t start[BULLA_CONTAINER_START], heads[NUM_PARTS][BULLA_CONTAINER_HEAD], end[BULLA_CONTAINER_END];
} container_source;

static bulla_status segment_read(const segment *from, bulla_call *call, uint64_t at, uint8_t *buf, size_t len)
{
    if (from->fd < 0) {
        memcpy(buf, from->bytes.data + at, len);
        return BULLA_OK;
    }
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(from->fd, buf + done, len - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return bulla_file_fail(call, "read", "the copy of the keystore");
        if (got == 0) return bulla_fail(call, BULLA_EIO, "the copy of the keystore became shorter");
        done += (size_t)got;
    }
    return BULLA_OK;
}

static bulla_status container_source_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    container_source *self = arg;
    while (self->at < self->num_segments && self->done == self->segments[self->at].len) {
        self->at++;
        self->done = 0;
    }
    *out_len = 0;
    if (self->at == self->num_segments) return BULLA_OK;
    uint64_t left = self->segments[self->at].len - self->done;
    size_t take = left < len ? (size_t)left : len;
    BULLA_TRY(segment_read(&self->segments[self->at], call, self->done, buf, take));
    self->done += take;
    *out_len = take;
    return BULLA_OK;
}

static void segment_add(container_source *self, bulla_view bytes, int fd, uint64_t len)
{
    self->segments[self->num_segments++] = (segment){bytes, fd, len};
    self->total += len;
}

static void part_add(container_source *self, bulla_part part, bulla_view bytes, int fd, uint64_t len)
{
    uint8_t *head = self->heads[part - 1];
    bulla_container_head(part, len, head);
    segment_add(self, bulla_view_of(head, BULLA_CONTAINER_HEAD), -1, BULLA_CONTAINER_HEAD);
    if (len != 0) segment_add(self, bytes, fd, len);
}

static bulla_status file_len(bulla_call *call, int fd, uint64_t *out_len)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return bulla_file_fail(call, "look at", "the copy of the keystore");
    *out_len = (uint64_t)info.st_size;
    return BULLA_OK;
}

static bulla_status source_fill(container_source *self, bulla_call *call, const bulla_manifest *manifest,
                                bulla_view config, const int fds[2])
{
    uint64_t copy_len = 0, rotation_len = 0;
    BULLA_TRY(file_len(call, fds[0], &copy_len));
    BULLA_TRY(file_len(call, fds[1], &rotation_len));
    bulla_container_start(self->start);
    segment_add(self, bulla_view_of(self->start, sizeof self->start), -1, sizeof self->start);
    part_add(self, BULLA_PART_MANIFEST, bulla_view_of(manifest->text, manifest->len), -1, manifest->len);
    part_add(self, BULLA_PART_KEYSTORE, (bulla_view){NULL, 0}, fds[0], copy_len);
    part_add(self, BULLA_PART_CONFIG, config, -1, config.len);
    part_add(self, BULLA_PART_ROTATION, (bulla_view){NULL, 0}, fds[1], rotation_len);
    bulla_container_end(NUM_PARTS, self->total, self->end);
    segment_add(self, bulla_view_of(self->end, sizeof self->end), -1, sizeof self->end);
    return BULLA_OK;
}

/* --- the message --- */

static bulla_status message_context(bulla_call *call, const bulla_manifest *manifest, bulla_context **out_context)
{
    const bulla_pair pairs[] = {
        {bulla_view_text("bulla-backup"), bulla_view_text("1")},
        {bulla_view_text("store"), bulla_view_text(manifest->store)},
        {bulla_view_text("root"), bulla_view_text(manifest->root_address)},
    };
    return bulla_context_new(call, pairs, BULLA_LEN(pairs), out_context);
}

static bulla_status encrypt_to(bulla_call *call, bulla_provider *const *recipients, size_t num_recipients,
                               const bulla_manifest *manifest, container_source *from, const bulla_sink *sink)
{
    BULLA_AUTO(bulla_context) *context = NULL;
    const bulla_source source = {container_source_read, from};
    BULLA_TRY(message_context(call, manifest, &context));
    const bulla_encrypt_options options = {
        .size = sizeof options,
        .recipients = recipients,
        .num_recipients = num_recipients,
        .context = context,
    };
    return bulla_encrypt_copy(call, &options, &source, sink);
}

bulla_status bulla_store_backup(bulla_store *store, bulla_call *call, bulla_view config,
                                bulla_provider *const *recipients, size_t num_recipients, const bulla_sink *sink)
{
    BULLA_AUTO(bulla_provider) *root = NULL;
    bulla_provider *all[BULLA_MAX_RECIPIENTS];
    bulla_manifest manifest;
    container_source source = {.num_segments = 0};
    AUTO_FD(copy_fd);
    AUTO_FD(rotation_fd);
    if (config.len > BULLA_MAX_PART)
        return bulla_fail(call, BULLA_ELIMIT, "the configuration has %zu bytes, a backup takes %u", config.len,
                          BULLA_MAX_PART);
    if (num_recipients >= BULLA_MAX_RECIPIENTS)
        return bulla_fail(call, BULLA_ELIMIT, "a backup has at most %u recipients besides the root key",
                          BULLA_MAX_RECIPIENTS - 1);
    BULLA_TRY(copy_open(store, call, &manifest, &copy_fd, &rotation_fd));
    BULLA_TRY(store->opener.open(store->opener.arg, call, manifest.root_address, &root));
    all[0] = root;
    bulla_copy(all + 1, recipients, num_recipients * sizeof *all);
    BULLA_TRY(source_fill(&source, call, &manifest, config, (const int[]){copy_fd, rotation_fd}));
    return encrypt_to(call, all, num_recipients + 1, &manifest, &source, sink);
}
