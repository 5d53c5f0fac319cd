/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#define WINDOW 16u
#define CHUNK ((size_t)1 << 20)

struct area {
    uintptr_t begin, end;
    bool readable, locked, undumped;
    char name[96];
};

/* Copies of what is searched pass through here, so the search leaves it out. */
static uint8_t *chunk;

static void fail(const char *what)
{
    perror(what);
    abort();
}

static void draw(uint8_t *out, size_t len)
{
    if (getrandom(out, len, 0) != (ssize_t)len) fail("getrandom");
}

void needle_set(struct needle *needle, bulla_view bytes)
{
    if (bytes.len < WINDOW || bytes.len > sizeof needle->masked) abort();
    needle->len = bytes.len;
    draw(needle->pad, bytes.len);
    for (size_t i = 0; i < bytes.len; i++)
        needle->masked[i] = (uint8_t)(((const volatile uint8_t *)bytes.data)[i] ^ needle->pad[i]);
}

void needle_random(struct needle *needle, size_t len)
{
    needle->len = len;
    draw(needle->pad, len);
    draw(needle->masked, len);
}

void needle_show(const struct needle *needle, uint8_t *out)
{
    for (size_t i = 0; i < needle->len; i++)
        ((volatile uint8_t *)out)[i] = needle->masked[i] ^ needle->pad[i];
}

/* The mask is read each time: unmasked, the needle would end up in registers and from there on the stack. */
static bool is_here(const uint8_t *at, const uint8_t *masked, const volatile uint8_t *pad)
{
    for (size_t i = 0; i < WINDOW; i++)
        if ((at[i] ^ pad[i]) != masked[i]) return false;
    return true;
}

static size_t count_in(const uint8_t *bytes, size_t len, const struct needle *needle)
{
    size_t num = 0, last = needle->len - WINDOW;
    for (size_t i = 0; i + WINDOW <= len; i++) {
        num += is_here(bytes + i, needle->masked, needle->pad);
        num += last != 0 && is_here(bytes + i, needle->masked + last, needle->pad + last);
    }
    return num;
}

/* Pages that were never touched and those of devices cannot be read: there is nothing in them. */
static size_t count_in_area(int mem, const struct area *area, const struct needle *needle)
{
    size_t num = 0;
    for (uintptr_t at = area->begin; at < area->end; at += CHUNK - WINDOW + 1) {
        size_t len = area->end - at < CHUNK ? area->end - at : CHUNK;
        ssize_t num_read = pread(mem, chunk, len, (off_t)at);
        if (num_read < 0 && errno != EIO && errno != EFAULT) fail("/proc/self/mem");
        if (num_read > 0) num += count_in(chunk, (size_t)num_read, needle);
    }
    return num;
}

/* One area of /proc/self/smaps: the line of the mapping and its fields up to VmFlags, the last. */
static bool area_read(FILE *smaps, struct area *out_area)
{
    char line[512], perms[8];
    while (fgets(line, sizeof line, smaps) != NULL) {
        char name[96] = "";
        unsigned long begin, end;
        if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %95s", &begin, &end, perms, name) >= 3) {
            *out_area = (struct area){.begin = begin, .end = end, .readable = perms[0] == 'r'};
            memcpy(out_area->name, name, sizeof name);
        }
        if (strncmp(line, "VmFlags:", 8) != 0) continue;
        out_area->locked = strstr(line, " lo") != NULL;
        out_area->undumped = strstr(line, " dd") != NULL;
        return true;
    }
    return false;
}

static void account(struct sightings *seen, const struct area *area, size_t num)
{
    if (num == 0) return;
    if (area->locked && area->undumped) {
        seen->locked += num;
        return;
    }
    if (seen->open == 0)
        (void)snprintf(seen->where, sizeof seen->where, "%s%s", area->name[0] == '\0' ? "anonymous memory" : area->name,
                       area->locked ? " (locked)" : "");
    seen->open += num;
}

struct sightings memory_search(const struct needle *needle)
{
    struct sightings seen = {0};
    if (chunk == NULL) chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *smaps = fopen("/proc/self/smaps", "re");
    if (chunk == MAP_FAILED || mem < 0 || smaps == NULL || needle->len < WINDOW) fail("memory_search");
    struct area area = {0};
    while (area_read(smaps, &area)) {
        bool is_chunk = area.begin <= (uintptr_t)chunk && (uintptr_t)chunk < area.end;
        if (area.readable && !is_chunk) account(&seen, &area, count_in_area(mem, &area, needle));
        if (is_chunk) { /* the kernel merges neighbours: what lies around the chunk counts */
            struct area before = area, after = area;
            before.end = (uintptr_t)chunk;
            after.begin = (uintptr_t)chunk + CHUNK;
            account(&seen, &area, count_in_area(mem, &before, needle) + count_in_area(mem, &after, needle));
        }
    }
    (void)fclose(smaps);
    (void)close(mem);
    memset(chunk, 0, CHUNK);
    return seen;
}
