/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill -9 at any moment. Two writers work on one keystore and tell through a pipe what they are about to do and what
 * was acknowledged to them; they are killed after a random time. Then the keystore must be sound and hold every change
 * that was acknowledged. In between, creating and restoring a keystore are killed too: it is there whole or not at all.
 *
 * kill_store [ROUNDS [SEED]]
 */
#include "bulla/bulla.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NUM_WRITERS 2
#define MAX_KEYS 512 /* of each writer */
#define MAX_DEKS 4096
#define START_DEKS 10500 /* more than one step of a rewrap */
#define MAX_MS 25

typedef enum action { CREATE, ROTATE, SWITCH, KEEP, REWRAP, SHARED, ROOT, NUM_ACTIONS } action;

/* What a writer says: before it acts (acked 0) and after it was told that it is done. */
typedef struct word {
    unsigned acked, writer, what, key;
    uint32_t value;
    char id[33];
} word;

/* What must be there. */
typedef struct model {
    struct {
        bool there, disabled, unsure; /* unsure: the writer died over a switch */
        uint32_t version;
    } keys[NUM_WRITERS][MAX_KEYS];
    char deks[MAX_DEKS][33];
    size_t num_deks;
    uint32_t shared;
} model;

static char dir[64], store[96], root[192], saved[96];
static uint64_t random_state;

static unsigned draw(unsigned below) /* xorshift: the same seed, the same run */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)(random_state % below);
}

static void die(const char *what, const bulla_call *call)
{
    (void)fprintf(stderr, "kill_store: %s: %s %s (kept in %s)\n", what, bulla_status_name(call->status), call->why,
                  dir);
    exit(1);
}

static void must(bulla_status status, const char *what, const bulla_call *call)
{
    if (status != BULLA_OK) die(what, call);
}

static bulla *open_house(bulla_call *call, const char *path)
{
    bulla *house = NULL;
    const bulla_options options = {.size = sizeof options, .store = path};
    bulla_call_init(call, NULL);
    must(bulla_open(call, &options, &house), "open", call);
    return house;
}

/* --- the writers --- */

typedef struct writer {
    bulla *house;
    bulla_call call;
    int pipe;
    unsigned number, num_keys;
} writer;

static void tell(const writer *self, const word *said)
{
    if (write(self->pipe, said, sizeof *said) != (ssize_t)sizeof *said) _exit(3);
}

static void key_name(unsigned number, unsigned key, char out[32])
{
    (void)snprintf(out, 32, "w%u-%u", number, key);
}

static bulla_status keep_one(writer *self, const char *name, char id[33])
{
    bulla_datakey *datakey = NULL;
    bulla_status status = bulla_datakey_keep(self->house, &self->call, name, NULL, NULL, id, &datakey);
    bulla_datakey_unref(datakey);
    return status;
}

static bulla_status act(writer *self, word *said, const char *name)
{
    switch ((action)said->what) {
    case CREATE: return bulla_key_create(self->house, &self->call, name, NULL, NULL);
    case ROTATE: return bulla_key_rotate(self->house, &self->call, name, &said->value);
    case SWITCH:
        return said->value != 0 ? bulla_key_disable(self->house, &self->call, name)
                                : bulla_key_enable(self->house, &self->call, name);
    case KEEP: return keep_one(self, "shared", said->id);
    case REWRAP: return bulla_key_rewrap(self->house, &self->call, "shared", NULL, NULL);
    case SHARED: return bulla_key_rotate(self->house, &self->call, "shared", &said->value);
    case ROOT: return bulla_keystore_root_rotate(self->house, &self->call, NULL);
    case NUM_ACTIONS: break;
    }
    return BULLA_EINTERNAL;
}

static action choose(const writer *self)
{
    static const action often[] = {CREATE, ROTATE, ROTATE, SWITCH, KEEP, KEEP, KEEP, REWRAP, SHARED, SHARED};
    if (self->num_keys == 0) return CREATE;
    if (draw(40) == 0) return ROOT;
    action chosen = often[draw(sizeof often / sizeof often[0])];
    return chosen == CREATE && (self->num_keys == MAX_KEYS || draw(4) != 0) ? KEEP : chosen;
}

static void write_for_ever(writer *self)
{
    for (;;) {
        char name[32];
        word said = {.writer = self->number, .what = choose(self)};
        said.key = said.what == CREATE ? self->num_keys : draw(self->num_keys);
        if (said.what == SWITCH) said.value = draw(2);
        key_name(self->number, said.key, name);
        tell(self, &said);
        bulla_status status = act(self, &said, name);
        bool asleep = status == BULLA_ESTATE && said.what == ROTATE; /* disabled by an earlier switch */
        if (status != BULLA_OK && !asleep) die("writer", &self->call);
        if (status != BULLA_OK) continue;
        said.acked = 1;
        tell(self, &said);
        if (said.what == CREATE) self->num_keys++;
    }
}

static pid_t writer_start(unsigned number, const model *known, int pipes[2])
{
    uint64_t seed = random_state + number + 1;
    if (pipe(pipes) != 0) abort();
    (void)fcntl(pipes[1], F_SETPIPE_SZ, 1 << 20);
    pid_t child = fork();
    if (child != 0) return child;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a writer whose parent failed ends too */
    (void)close(pipes[0]);
    writer self = {.pipe = pipes[1], .number = number};
    random_state = seed * UINT64_C(0x9E3779B97F4A7C15);
    while (self.num_keys < MAX_KEYS && known->keys[number][self.num_keys].there)
        self.num_keys++;
    self.house = open_house(&self.call, store);
    write_for_ever(&self);
    _exit(2);
}

/* --- what they said --- */

static void learn_ack(model *known, const word *said)
{
    uint32_t *version = &known->keys[said->writer][said->key].version;
    switch ((action)said->what) {
    case CREATE:
        known->keys[said->writer][said->key].there = true;
        *version = 1;
        break;
    case ROTATE: *version = said->value; break;
    case SWITCH: known->keys[said->writer][said->key].disabled = said->value != 0; break;
    case KEEP:
        if (known->num_deks < MAX_DEKS) memcpy(known->deks[known->num_deks++], said->id, sizeof said->id);
        break;
    case SHARED:
        if (said->value > known->shared) known->shared = said->value;
        break;
    case REWRAP:
    case ROOT:
    case NUM_ACTIONS: break;
    }
}

static size_t learn(model *known, int pipe)
{
    word said, last = {.acked = 1};
    size_t num = 0;
    while (read(pipe, &said, sizeof said) == (ssize_t)sizeof said) {
        if (said.acked != 0) learn_ack(known, &said);
        num += said.acked;
        last = said;
    }
    if (last.acked == 0 && last.what == SWITCH) known->keys[last.writer][last.key].unsure = true;
    return num;
}

/* --- what must hold --- */

static void print_finding(void *arg, const char *finding)
{
    (void)arg;
    (void)fprintf(stderr, "found: %s\n", finding);
}

static void key_verify(bulla *house, bulla_call *call, model *known, unsigned number, unsigned key)
{
    char name[32];
    bulla_key_info info;
    key_name(number, key, name);
    bulla_status status = bulla_key_info_get(house, call, name, &info);
    bool expected = known->keys[number][key].there;
    if (!expected && status == BULLA_ENOKEY) return;
    must(status, name, call); /* one that nobody acknowledged may be there all the same */
    bool disabled = info.state == BULLA_KEY_DISABLED;
    if (expected && info.primary_version < known->keys[number][key].version) die("a rotation was lost", call);
    if (expected && !known->keys[number][key].unsure && disabled != known->keys[number][key].disabled)
        die("a switch was lost", call);
    known->keys[number][key].there = true;
    known->keys[number][key].unsure = false;
    known->keys[number][key].disabled = disabled;
    known->keys[number][key].version = info.primary_version;
}

static void verify(model *known)
{
    bulla_call call;
    bulla_key_info info;
    bulla *house = open_house(&call, store);
    must(bulla_keystore_check(house, &call, print_finding, NULL), "check", &call);
    for (unsigned number = 0; number < NUM_WRITERS; number++)
        for (unsigned key = 0; key < MAX_KEYS && (key == 0 || known->keys[number][key - 1].there); key++)
            key_verify(house, &call, known, number, key);
    for (size_t i = 0; i < known->num_deks; i++) {
        bulla_datakey *datakey = NULL;
        must(bulla_datakey_load(house, &call, known->deks[i], NULL, NULL, &datakey), "a kept data key", &call);
        bulla_datakey_unref(datakey);
    }
    must(bulla_key_info_get(house, &call, "shared", &info), "shared", &call);
    if (info.primary_version < known->shared) die("a rotation of the shared key was lost", &call);
    bulla_close(house);
}

static void pause_random(void)
{
    const struct timespec pause = {0, (long)draw(MAX_MS * 1000) * 1000 + 1};
    (void)nanosleep(&pause, NULL);
}

static void end(pid_t child)
{
    int how = 0;
    (void)kill(child, SIGKILL);
    (void)waitpid(child, &how, 0);
    if (WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL) return;
    (void)fprintf(stderr, "kill_store: a writer ended by itself\n");
    exit(1);
}

static size_t writers_round(model *known)
{
    pid_t children[NUM_WRITERS];
    int pipes[NUM_WRITERS][2];
    size_t num = 0;
    for (unsigned i = 0; i < NUM_WRITERS; i++)
        children[i] = writer_start(i, known, pipes[i]);
    (void)draw(2);
    pause_random();
    for (unsigned i = 0; i < NUM_WRITERS; i++)
        end(children[i]);
    for (unsigned i = 0; i < NUM_WRITERS; i++) {
        (void)close(pipes[i][1]);
        num += learn(known, pipes[i][0]);
        (void)close(pipes[i][0]);
    }
    verify(known);
    return num;
}

/* --- a keystore that appears --- */

static bulla_status file_read(void *arg, bulla_call *call, uint8_t *buf, size_t len, size_t *out_len)
{
    *out_len = fread(buf, 1, len, arg);
    return ferror((FILE *)arg) != 0 ? bulla_fail(call, BULLA_EIO, "cannot read the backup") : BULLA_OK;
}

static bulla_status file_write(void *arg, bulla_call *call, uint64_t offset, bulla_view bytes)
{
    (void)offset;
    return fwrite(bytes.data, 1, bytes.len, arg) == bytes.len ? BULLA_OK : bulla_fail(call, BULLA_EIO, "cannot write");
}

static void backup_make(void)
{
    bulla_call call;
    bulla *house = open_house(&call, store);
    FILE *file = fopen(saved, "wb");
    const bulla_sink sink = {file_write, file, false};
    if (file == NULL) abort();
    must(bulla_backup(house, &call, (bulla_view){NULL, 0}, NULL, 0, &sink), "backup", &call);
    (void)fclose(file);
    bulla_close(house);
}

static void appear(const char *path, bool restoring)
{
    bulla_call call;
    bulla *house = open_house(&call, path);
    FILE *file = fopen(saved, "rb");
    const bulla_source source = {file_read, file};
    bulla_status status =
        restoring ? bulla_restore(house, &call, NULL, 0, &source, NULL) : bulla_keystore_create(house, &call, root);
    if (status != BULLA_OK) die("appear", &call);
    bulla_close(house);
    _exit(0);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

/* Tries until it succeeds, killed most of the times: what is left behind must never be in the way. */
static void appear_round(bool restoring)
{
    char path[96];
    int how = 0;
    (void)snprintf(path, sizeof path, "%s/other", dir);
    for (int tries = 0;; tries++) {
        bulla_call call;
        bulla_keystore_info info;
        pid_t child = fork();
        if (child == 0) appear(path, restoring);
        if (tries < 4) {
            pause_random();
            (void)kill(child, SIGKILL);
        }
        (void)waitpid(child, &how, 0);
        bulla *house = open_house(&call, path);
        bulla_status status = bulla_keystore_info_get(house, &call, &info);
        bool done = WIFEXITED(how);
        if (status == BULLA_OK) must(bulla_keystore_check(house, &call, print_finding, NULL), "check", &call);
        bulla_close(house);
        if (done && (WEXITSTATUS(how) != 0 || status != BULLA_OK)) die("a keystore that was acknowledged", &call);
        if (status == BULLA_OK) break;
        if (status != BULLA_ENOFILE) die("half a keystore", &call);
    }
    (void)nftw(path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- all of it --- */

static void prepare(void)
{
    bulla_call call;
    uint8_t key[32];
    char path[96];
    (void)snprintf(dir, sizeof dir, "/dev/shm/bulla-kill-XXXXXX"); /* no disk to wait for: many more changes */
    if (mkdtemp(dir) == NULL) (void)snprintf(dir, sizeof dir, "/tmp/bulla-kill-XXXXXX");
    if (access(dir, F_OK) != 0 && mkdtemp(dir) == NULL) abort();
    (void)snprintf(store, sizeof store, "%s/store", dir);
    (void)snprintf(saved, sizeof saved, "%s/saved", dir);
    (void)snprintf(path, sizeof path, "%s/root.key", dir);
    (void)snprintf(root, sizeof root, "file:%s?namespace=test&name=root", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bulla_call_init(&call, NULL);
    must(bulla_random(&call, key, sizeof key), "random", &call);
    if (fd < 0 || write(fd, key, sizeof key) != (ssize_t)sizeof key || close(fd) != 0) abort();
    writer self = {.house = open_house(&call, store)};
    bulla_call_init(&self.call, NULL);
    must(bulla_keystore_create(self.house, &self.call, root), "create", &self.call);
    must(bulla_key_create(self.house, &self.call, "shared", NULL, NULL), "create", &self.call);
    for (int i = 0; i < START_DEKS; i++) {
        char id[33];
        must(keep_one(&self, "shared", id), "keep", &self.call);
    }
    bulla_close(self.house);
}

int main(int argc, char **argv)
{
    static model known = {.shared = 1};
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    size_t num = 0;
    random_state = argc > 2 ? strtoull(argv[2], NULL, 10) : (uint64_t)time(NULL);
    (void)printf("%lu rounds, seed %llu\n", rounds, (unsigned long long)random_state);
    random_state = random_state * 2 + 1;
    (void)signal(SIGPIPE, SIG_IGN);
    prepare();
    backup_make();
    for (unsigned long i = 0; i < rounds; i++) {
        num += writers_round(&known);
        if (i % 4 == 0) appear_round(i % 8 == 0);
        if (i % 50 == 25) backup_make();
    }
    (void)printf("%zu acknowledged changes, all there\n", num);
    (void)nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}
