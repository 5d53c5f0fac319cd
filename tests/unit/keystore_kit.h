/* SPDX-License-Identifier: Apache-2.0 */
/* A keystore of its own for each test: a folder that goes away, a root key in a file, a clock that the test moves. */
#ifndef BULLA_TESTS_KEYSTORE_KIT_H
#define BULLA_TESTS_KEYSTORE_KIT_H

#include "bulla/bulla.h"
#include "fakes/fake_env.h"

#define KIT_DAY_S 86400

typedef struct kit {
    fake_env world;
    bulla_call call;
    char dir[64], store[96], root[160], db[128];
    bulla *house;
} kit;

/* A call that must succeed, and prints why when it does not. */
#define kit_ok(self, expr)                                                                                             \
    do {                                                                                                               \
        bulla_status kit_status_ = (expr);                                                                             \
        if (kit_status_ != BULLA_OK) print_message("%s\n", (self)->call.why);                                          \
        assert_ok(kit_status_);                                                                                        \
    } while (0)

/* cmocka fixtures: kit_setup makes the keystore, kit_setup_bare only folder, root key and house. */
int kit_setup(void **state);
int kit_setup_bare(void **state);
int kit_teardown(void **state);

/* Another house on the same keystore, as another program would have it. */
bulla *kit_house_open(kit *self, const bulla_cache_options *cache);
void kit_house_again(kit *self); /* closes the house and opens it anew */
void kit_clock_forward(kit *self, int64_t seconds);

/* Fails the test unless the keystore passes its check, and prints what was found. */
void kit_sound(kit *self);

void kit_key(kit *self, const char *name);
bulla_key_info kit_info(kit *self, const char *key);
bulla_provider *kit_provider(kit *self, const char *address);
bulla_wrapped *kit_wrap(kit *self, const char *address, uint8_t fill); /* a data key of 32 times `fill` */
bulla_status kit_unwrap(kit *self, const char *address, const bulla_wrapped *wrapped, uint8_t fill);
/* A backup in memory, read from its beginning with each restore. */
typedef struct kit_buffer {
    uint8_t *data;
    size_t len, at;
} kit_buffer;
bulla_status kit_buffer_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len); /* a source's */
void kit_backup(kit *self, bulla_provider *extra, kit_buffer *out); /* `extra` NULL: no recipient but the root key's */
bulla_status kit_restore(kit *self, bulla_provider *extra, kit_buffer *from, bulla_bytes *out_config);
/* Moves the store away, so that the same path is empty again. */
void kit_store_lose(kit *self);

/* Runs SQL on the database file behind the keystore's back. */
void kit_sql(kit *self, const char *text);
bool kit_sql_try(kit *self, const char *text); /* true: it worked */
/* The first column of the first row: bytes, at most `cap`. Returns how many. */
size_t kit_sql_bytes(kit *self, const char *text, uint8_t *out, size_t cap);
int64_t kit_sql_number(kit *self, const char *text);
/* How often `bytes` stand in the database's files. */
size_t kit_find_in_files(kit *self, const uint8_t *bytes, size_t len);
size_t kit_files(const char *dir); /* entries in a folder; 0 when it is not there */

#endif
