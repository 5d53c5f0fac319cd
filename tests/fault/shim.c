/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loaded before a program (LD_PRELOAD), this makes its n-th allocation or its n-th system call fail, once or from then
 * on, or kills it there. The program does not know.
 *
 *   FAULT_ALLOC=N[+]              the N-th malloc, calloc, realloc, posix_memalign or aligned_alloc gives no memory
 *   FAULT_IO=N[+]:ERRNO[:CALL]    the N-th of the calls below (CALL: of that one) fails with EIO, ENOSPC, EINTR or
 *                                 EACCES; KILL: the process is killed before it
 *   FAULT_OLD_FS=1                files without a name and renaming without replacing are not supported
 *   FAULT_STACKS=K                reports "stack N" for the N-th allocation when no more than K before it, itself
 *                                 included, came by the same calls
 *   FAULT_REPORT=PATH             gets a line "fired WHAT N" when it happens, and "count alloc N io M" at the end
 *
 * What writes to standard error is left alone: that is how the program tells.
 */
#undef _FORTIFY_SOURCE /* its headers define the calls that this file does */

#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define MAX_FRAMES 48
#define MAX_STACKS 65536u /* a power of 2 */

/* The C library's own, under names that it exports for this. */
void *__libc_malloc(size_t len);
void *__libc_calloc(size_t num, size_t len);
void *__libc_realloc(void *ptr, size_t len);
void *__libc_memalign(size_t align, size_t len);

struct fault {
    unsigned long at; /* 0: never */
    bool on;          /* and all that follow */
    int code;         /* errno; -1: kill */
    char call[32];    /* empty: any */
    unsigned long count;
};

static struct fault alloc_fault = {.code = ENOMEM}, io_fault;
static const char *report_path;
static bool old_fs, ready;

/* The ways to an allocation that were met, by a hash over their return addresses; 0: the place is free. */
static struct stack {
    uint64_t hash;
    unsigned long num;
} stacks[MAX_STACKS];
static unsigned long max_same; /* FAULT_STACKS; 0: nobody asks */
static pthread_mutex_t stacks_lock = PTHREAD_MUTEX_INITIALIZER;
static __thread bool is_looking; /* what the unwinder allocates is not the program's */

static void report(const char *what, unsigned long a, const char *between, unsigned long b)
{
    char line[128];
    if (report_path == NULL) return;
    int len = between == NULL ? snprintf(line, sizeof line, "%s %lu\n", what, a)
                              : snprintf(line, sizeof line, "%s %lu %s %lu\n", what, a, between, b);
    long fd = syscall(SYS_openat, AT_FDCWD, report_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    (void)syscall(SYS_write, fd, line, (size_t)len);
    (void)syscall(SYS_close, fd);
}

static int code_of(const char *name, size_t len)
{
    static const struct {
        const char *name;
        int code;
    } codes[] = {{"EIO", EIO}, {"ENOSPC", ENOSPC}, {"EINTR", EINTR}, {"EACCES", EACCES}, {"KILL", -1}};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        if (strlen(codes[i].name) == len && memcmp(codes[i].name, name, len) == 0) return codes[i].code;
    return EIO;
}

static void parse(const char *text, struct fault *fault)
{
    char *rest = NULL;
    if (text == NULL) return;
    fault->at = strtoul(text, &rest, 10);
    fault->on = *rest == '+';
    if (fault->on) rest++;
    if (*rest != ':') return;
    const char *name = rest + 1;
    size_t len = strcspn(name, ":");
    fault->code = code_of(name, len);
    if (name[len] == ':') (void)snprintf(fault->call, sizeof fault->call, "%s", name + len + 1);
}

__attribute__((constructor)) static void set_up(void)
{
    report_path = getenv("FAULT_REPORT");
    parse(getenv("FAULT_ALLOC"), &alloc_fault);
    parse(getenv("FAULT_IO"), &io_fault);
    old_fs = getenv("FAULT_OLD_FS") != NULL;
    if (getenv("FAULT_STACKS") != NULL) {
        void *frames[4];
        (void)backtrace(frames, 4); /* it loads a library at its first use */
        max_same = strtoul(getenv("FAULT_STACKS"), NULL, 10);
    }
    ready = true;
}

__attribute__((destructor)) static void tear_down(void)
{
    report("count alloc", alloc_fault.count, "io", io_fault.count);
}

/* A program may end past its destructors. */
EXPORT void _exit(int code)
{
    tear_down();
    (void)syscall(SYS_exit_group, code);
    __builtin_unreachable();
}

static unsigned long times_met(uint64_t hash)
{
    unsigned long num = 0;
    (void)pthread_mutex_lock(&stacks_lock);
    for (size_t i = 0; i < MAX_STACKS && num == 0; i++) {
        struct stack *stack = &stacks[(hash + i) % MAX_STACKS];
        if (stack->hash != 0 && stack->hash != hash) continue;
        stack->hash = hash;
        num = ++stack->num;
    }
    (void)pthread_mutex_unlock(&stacks_lock);
    return num; /* 0: the table is full, and the stack counts as new */
}

/* Reports an allocation that comes by new calls, or by known ones not often yet. */
static void look_at_stack(unsigned long count)
{
    void *frames[MAX_FRAMES];
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    is_looking = true;
    int num = backtrace(frames, MAX_FRAMES);
    for (int i = 0; i < num; i++)
        hash = (hash ^ (uintptr_t)frames[i]) * 0x100000001b3;
    if (times_met(hash | 1) <= max_same) report("stack", count, NULL, 0);
    is_looking = false;
}

/* Counts the call; true when it is the one to fail. */
static bool is_hit(struct fault *fault, const char *what)
{
    if (!ready || is_looking || (fault->call[0] != '\0' && strcmp(fault->call, what) != 0)) return false;
    unsigned long count = __atomic_add_fetch(&fault->count, 1, __ATOMIC_RELAXED);
    if (max_same != 0 && fault == &alloc_fault) look_at_stack(count);
    if (fault->at == 0 || (fault->on ? count < fault->at : count != fault->at)) return false;
    char line[48];
    (void)snprintf(line, sizeof line, "fired %s", what);
    report(line, count, NULL, 0);
    if (fault->code == -1) (void)kill(getpid(), SIGKILL);
    errno = fault->code;
    return true;
}

/* The C library's own asserts that it has memory (nss_database.c); that is not what is tested here. */
EXPORT struct passwd *getpwuid(uid_t uid)
{
    static char name[] = "somebody", none[] = "";
    static struct passwd entry = {
        .pw_name = name, .pw_passwd = none, .pw_gecos = none, .pw_dir = none, .pw_shell = none};
    entry.pw_uid = uid;
    return &entry;
}

/* --- memory --- */

EXPORT void *malloc(size_t len)
{
    return is_hit(&alloc_fault, "malloc") ? NULL : __libc_malloc(len);
}

EXPORT void *calloc(size_t num, size_t len)
{
    return is_hit(&alloc_fault, "calloc") ? NULL : __libc_calloc(num, len);
}

EXPORT void *realloc(void *ptr, size_t len)
{
    return is_hit(&alloc_fault, "realloc") ? NULL : __libc_realloc(ptr, len);
}

EXPORT void *aligned_alloc(size_t align, size_t len)
{
    return is_hit(&alloc_fault, "aligned_alloc") ? NULL : __libc_memalign(align, len);
}

EXPORT int posix_memalign(void **out, size_t align, size_t len)
{
    if (is_hit(&alloc_fault, "posix_memalign")) return ENOMEM;
    void *ptr = __libc_memalign(align, len);
    if (ptr != NULL) *out = ptr;
    return ptr == NULL ? ENOMEM : 0;
}

/* --- input and output: each by its system call, with the checked names that fortified code calls --- */

#define HIT(what)                                                                                                      \
    if (is_hit(&io_fault, what)) return -1

static bool is_told(int fd)
{
    return fd == STDERR_FILENO;
}

EXPORT ssize_t read(int fd, void *buf, size_t len)
{
    HIT("read");
    return syscall(SYS_read, fd, buf, len);
}

ssize_t __read_chk(int fd, void *buf, size_t len, size_t room);
EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t room)
{
    if (len > room) abort();
    return read(fd, buf, len);
}

EXPORT ssize_t pread64(int fd, void *buf, size_t len, off64_t at)
{
    HIT("pread");
    return syscall(SYS_pread64, fd, buf, len, at);
}

EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t at)
{
    return pread64(fd, buf, len, at);
}

ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at, size_t room);
EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t at, size_t room)
{
    if (len > room) abort();
    return pread64(fd, buf, len, at);
}

ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t at, size_t room);
EXPORT ssize_t __pread64_chk(int fd, void *buf, size_t len, off64_t at, size_t room)
{
    if (len > room) abort();
    return pread64(fd, buf, len, at);
}

EXPORT ssize_t write(int fd, const void *buf, size_t len)
{
    if (!is_told(fd)) HIT("write");
    return syscall(SYS_write, fd, buf, len);
}

EXPORT ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t at)
{
    HIT("pwrite");
    return syscall(SYS_pwrite64, fd, buf, len, at);
}

EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t at)
{
    return pwrite64(fd, buf, len, at);
}

EXPORT int fsync(int fd)
{
    HIT("fsync");
    return (int)syscall(SYS_fsync, fd);
}

EXPORT int fdatasync(int fd)
{
    HIT("fdatasync");
    return (int)syscall(SYS_fdatasync, fd);
}

EXPORT int ftruncate64(int fd, off64_t len)
{
    HIT("ftruncate");
    return (int)syscall(SYS_ftruncate, fd, len);
}

EXPORT int ftruncate(int fd, off_t len)
{
    return ftruncate64(fd, len);
}

EXPORT int rename(const char *from, const char *to)
{
    HIT("rename");
    return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

EXPORT int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    HIT("rename");
    return (int)syscall(SYS_renameat, from_dir, from, to_dir, to);
}

EXPORT int renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
    HIT("rename");
    if (old_fs && flags != 0) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

EXPORT int link(const char *from, const char *to)
{
    HIT("link");
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

EXPORT int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    HIT("link");
    return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

EXPORT int mkdir(const char *path, mode_t mode)
{
    HIT("mkdir");
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

EXPORT int mkdirat(int dir, const char *path, mode_t mode)
{
    HIT("mkdir");
    return (int)syscall(SYS_mkdirat, dir, path, mode);
}

EXPORT int fchmod(int fd, mode_t mode)
{
    HIT("fchmod");
    return (int)syscall(SYS_fchmod, fd, mode);
}

EXPORT ssize_t copy_file_range(int in, off64_t *in_at, int out, off64_t *out_at, size_t len, unsigned flags)
{
    HIT("copy_file_range");
    return syscall(SYS_copy_file_range, in, in_at, out, out_at, len, flags);
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
    HIT("open");
    if (old_fs && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, dir, path, flags, mode);
}

/* The mode is there only with these flags. */
#define MODE_AFTER(flags, mode)                                                                                        \
    mode_t mode = 0;                                                                                                   \
    if (((flags)&O_CREAT) != 0 || ((flags)&O_TMPFILE) == O_TMPFILE) {                                                  \
        va_list args;                                                                                                  \
        va_start(args, flags);                                                                                         \
        mode = va_arg(args, mode_t);                                                                                   \
        va_end(args);                                                                                                  \
    }

EXPORT int open(const char *path, int flags, ...)
{
    MODE_AFTER(flags, mode)
    return open_at(AT_FDCWD, path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
    MODE_AFTER(flags, mode)
    return open_at(AT_FDCWD, path, flags, mode);
}

EXPORT int openat(int dir, const char *path, int flags, ...)
{
    MODE_AFTER(flags, mode)
    return open_at(dir, path, flags, mode);
}

EXPORT int openat64(int dir, const char *path, int flags, ...)
{
    MODE_AFTER(flags, mode)
    return open_at(dir, path, flags, mode);
}

int __open_2(const char *path, int flags);
EXPORT int __open_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags);
EXPORT int __open64_2(const char *path, int flags)
{
    return open_at(AT_FDCWD, path, flags, 0);
}

int __openat_2(int dir, const char *path, int flags);
EXPORT int __openat_2(int dir, const char *path, int flags)
{
    return open_at(dir, path, flags, 0);
}

int __openat64_2(int dir, const char *path, int flags);
EXPORT int __openat64_2(int dir, const char *path, int flags)
{
    return open_at(dir, path, flags, 0);
}
