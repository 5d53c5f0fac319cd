/* SPDX-License-Identifier: Apache-2.0 */
#include "keystore_kit.h"

#include "cmocka_all.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void root_key_write(const kit *self)
{
    char path[128];
    uint8_t key[32];
    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(200 + 3 * i);
    (void)snprintf(path, sizeof path, "%s/root.key", self->dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, key, sizeof key) != (ssize_t)sizeof key || close(fd) != 0) abort();
}

bulla *kit_house_open(kit *self, const bulla_cache_options *cache)
{
    bulla *house = NULL;
    const bulla_options options = {.size = sizeof options, .store = self->store, .cache = cache};
    assert_ok(bulla_open(&self->call, &options, &house));
    return house;
}

void kit_house_again(kit *self)
{
    bulla_close(self->house);
    self->house = kit_house_open(self, NULL);
}

int kit_setup_bare(void **state)
{
    kit *self = calloc(1, sizeof *self);
    if (self == NULL) return -1;
    (void)snprintf(self->dir, sizeof self->dir, "%s", "/tmp/bulla-keystore-XXXXXX");
    if (mkdtemp(self->dir) == NULL) return -1;
    (void)snprintf(self->store, sizeof self->store, "%s/store", self->dir);
    (void)snprintf(self->db, sizeof self->db, "%s/keystore.db", self->store);
    (void)snprintf(self->root, sizeof self->root, "file:%s/root.key?namespace=test&name=root", self->dir);
    root_key_write(self);
    fake_env_init(&self->world);
    self->world.env.random = NULL; /* the real generator */
    bulla_call_init(&self->call, &self->world.env);
    self->house = kit_house_open(self, NULL);
    *state = self;
    return 0;
}

int kit_setup(void **state)
{
    if (kit_setup_bare(state) != 0) return -1;
    kit *self = *state;
    return bulla_keystore_create(self->house, &self->call, self->root) == BULLA_OK ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

int kit_teardown(void **state)
{
    kit *self = *state;
    bulla_close(self->house);
    (void)nftw(self->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(self);
    return 0;
}

void kit_clock_forward(kit *self, int64_t seconds)
{
    self->world.wall_ns += seconds * 1000000000;
}

static void print_finding(void *arg, const char *text)
{
    (void)arg;
    print_message("found: %s\n", text);
}

void kit_sound(kit *self)
{
    assert_ok(bulla_keystore_check(self->house, &self->call, print_finding, NULL));
}

void kit_key(kit *self, const char *name)
{
    assert_ok(bulla_key_create(self->house, &self->call, name, NULL, NULL));
}

bulla_key_info kit_info(kit *self, const char *key)
{
    bulla_key_info info;
    memset(&info, 0, sizeof info);
    assert_ok(bulla_key_info_get(self->house, &self->call, key, &info));
    return info;
}

bulla_provider *kit_provider(kit *self, const char *address)
{
    bulla_provider *provider = NULL;
    assert_ok(bulla_provider_open(self->house, &self->call, address, &provider));
    return provider;
}

bulla_wrapped *kit_wrap(kit *self, const char *address, uint8_t fill)
{
    uint8_t bytes[32];
    bulla_secret *dek = NULL;
    bulla_wrapped *wrapped = NULL;
    bulla_provider *provider = kit_provider(self, address);
    memset(bytes, fill, sizeof bytes);
    assert_ok(bulla_secret_copy(&self->call, (bulla_view){bytes, sizeof bytes}, &dek));
    assert_ok(bulla_provider_wrap(provider, &self->call, NULL, dek, &wrapped));
    bulla_secret_unref(dek);
    bulla_provider_unref(provider);
    return wrapped;
}

bulla_status kit_unwrap(kit *self, const char *address, const bulla_wrapped *wrapped, uint8_t fill)
{
    bulla_secret *dek = NULL;
    bulla_provider *provider = kit_provider(self, address);
    bulla_status status = bulla_provider_unwrap(provider, &self->call, NULL, wrapped, &dek);
    bulla_provider_unref(provider);
    if (status != BULLA_OK) return status;
    bulla_view bytes = bulla_secret_borrow(dek);
    assert_int_equal(bytes.len, 32);
    for (size_t i = 0; i < bytes.len; i++)
        assert_int_equal(bytes.data[i], fill);
    bulla_secret_unref(dek);
    return BULLA_OK;
}

static bulla_status buffer_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    kit_buffer *self = arg;
    (void)call;
    assert_int_equal(offset, self->len);
    self->data = realloc(self->data, self->len + bytes.len);
    assert_non_null(self->data);
    memcpy(self->data + self->len, bytes.data, bytes.len);
    self->len += bytes.len;
    return BULLA_OK;
}

bulla_status kit_buffer_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    kit_buffer *self = arg;
    (void)call;
    size_t left = self->len - self->at;
    *out_len = left < len ? left : len;
    memcpy(buf, self->data + self->at, *out_len);
    self->at += *out_len;
    return BULLA_OK;
}

void kit_backup(kit *self, bulla_provider *extra, kit_buffer *out)
{
    const bulla_sink sink = {buffer_write, out, false};
    const bulla_view config = {(const uint8_t *)"keystore:\n", 10};
    kit_ok(self, bulla_backup(self->house, &self->call, config, &extra, extra == NULL ? 0 : 1, &sink));
}

bulla_status kit_restore(kit *self, bulla_provider *extra, kit_buffer *from, bulla_bytes *out_config)
{
    const bulla_source source = {kit_buffer_read, from};
    from->at = 0;
    return bulla_restore(self->house, &self->call, &extra, extra == NULL ? 0 : 1, &source, out_config);
}

void kit_store_lose(kit *self)
{
    char away[128];
    bulla_close(self->house);
    (void)snprintf(away, sizeof away, "%s/lost", self->dir);
    assert_int_equal(rename(self->store, away), 0);
    self->house = kit_house_open(self, NULL);
}

bool kit_sql_try(kit *self, const char *text)
{
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open_v2(self->db, &handle, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    int code = sqlite3_exec(handle, text, NULL, NULL, NULL);
    (void)sqlite3_close(handle);
    return code == SQLITE_OK;
}

void kit_sql(kit *self, const char *text)
{
    assert_true(kit_sql_try(self, text));
}

static sqlite3_stmt *row_open(kit *self, const char *text, sqlite3 **out_handle)
{
    sqlite3_stmt *stmt = NULL;
    assert_int_equal(sqlite3_open_v2(self->db, out_handle, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(*out_handle, text, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    return stmt;
}

size_t kit_sql_bytes(kit *self, const char *text, uint8_t *out, size_t cap)
{
    sqlite3 *handle = NULL;
    sqlite3_stmt *stmt = row_open(self, text, &handle);
    size_t len = (size_t)sqlite3_column_bytes(stmt, 0);
    assert_true(len <= cap);
    memcpy(out, sqlite3_column_blob(stmt, 0), len);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(handle);
    return len;
}

int64_t kit_sql_number(kit *self, const char *text)
{
    sqlite3 *handle = NULL;
    sqlite3_stmt *stmt = row_open(self, text, &handle);
    int64_t number = sqlite3_column_int64(stmt, 0);
    (void)sqlite3_finalize(stmt);
    (void)sqlite3_close(handle);
    return number;
}

static size_t find_in_file(const char *path, const uint8_t *bytes, size_t len)
{
    static uint8_t content[4 << 20];
    size_t num = 0;
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 0;
    size_t got = fread(content, 1, sizeof content, file);
    (void)fclose(file);
    for (size_t i = 0; i + len <= got; i++)
        num += memcmp(content + i, bytes, len) == 0;
    return num;
}

size_t kit_find_in_files(kit *self, const uint8_t *bytes, size_t len)
{
    char wal[160];
    (void)snprintf(wal, sizeof wal, "%s-wal", self->db);
    return find_in_file(self->db, bytes, len) + find_in_file(wal, bytes, len);
}

size_t kit_files(const char *dir)
{
    DIR *opened = opendir(dir);
    size_t num = 0;
    if (opened == NULL) return 0;
    for (const struct dirent *entry = readdir(opened); entry != NULL; entry = readdir(opened))
        num += entry->d_name[0] != '.';
    (void)closedir(opened);
    return num;
}
