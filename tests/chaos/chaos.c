/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load of run_chaos.py, which makes the faults: does what the lines on its standard input say, and answers each
 * with one JSON object.
 *
 *   load MS RATE         works for MS milliseconds, each thread RATE times a second
 *   settle MS            waits until the key store answers again, MS milliseconds at most
 *   refused SINCE_NS MS  decrypts known messages until none has opened for a second, MS milliseconds at most; answers
 *                        how long after SINCE_NS (CLOCK_MONOTONIC) one has opened
 *   clock MS             the wall clock is MS milliseconds off from now on
 *   facts                threads, descriptors, memory, and what the cache says
 *
 * Everything about the store is in the environment: BULLA_CHAOS_*, see options_read.
 */
#include "load.h"
#include "rate.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *fact(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    if (value != NULL && value[0] != '\0') return value;
    if (otherwise != NULL) return otherwise;
    (void)fprintf(stderr, "chaos: %s is not set; run tests/chaos/run_chaos.py\n", name);
    exit(2);
}

static unsigned number(const char *name, const char *otherwise)
{
    return (unsigned)strtoul(fact(name, otherwise), NULL, 10);
}

static unsigned at_most(unsigned is, unsigned most)
{
    return is < most ? is : most;
}

static load_options options_read(void)
{
    const char *ca = fact("BULLA_CHAOS_CA", "");
    bool is_aws = strcmp(fact("BULLA_CHAOS_STORE", "vault"), "aws") == 0;
    return (load_options){.is_stack = strcmp(fact("BULLA_CHAOS_MODE", NULL), "stack") == 0,
                          .is_aws = is_aws,
                          .address = fact("BULLA_CHAOS_ADDR", NULL),
                          .ca = ca[0] == '\0' ? NULL : ca,
                          .key = fact("BULLA_CHAOS_KEY", NULL),
                          .mount = is_aws ? NULL : fact("BULLA_OPENBAO_MOUNT", NULL),
                          .token = is_aws ? NULL : fact("BULLA_OPENBAO_USE_TOKEN", NULL),
                          .region = is_aws ? fact("BULLA_MOTO_REGION", NULL) : NULL,
                          .access_key_id = is_aws ? fact("BULLA_MOTO_USE_ACCESS_KEY_ID", NULL) : NULL,
                          .secret_key = is_aws ? fact("BULLA_MOTO_USE_SECRET_ACCESS_KEY", NULL) : NULL,
                          .file = fact("BULLA_CHAOS_FILE", NULL),
                          .ttl_ms = number("BULLA_CHAOS_TTL_MS", "1000"),
                          .offline_ms = number("BULLA_CHAOS_OFFLINE_MS", "60000"),
                          .open_ms = number("BULLA_CHAOS_OPEN_MS", "1000"),
                          .timeout_ms = number("BULLA_CHAOS_TIMEOUT_MS", "1000"),
                          .deadline_ms = number("BULLA_CHAOS_DEADLINE_MS", "2000"),
                          .threads = at_most(number("BULLA_CHAOS_THREADS", "4"), LOAD_MAX_THREADS),
                          .known = at_most(number("BULLA_CHAOS_KNOWN", "16"), LOAD_MAX_KNOWN),
                          .others = at_most(number("BULLA_CHAOS_OTHERS", "256"), LOAD_MAX_OTHERS),
                          .has_raw = number("BULLA_CHAOS_RAW", "1") != 0};
}

/* --- work --- */

/* Our own words for errors have quotes in them. */
static void print_text(const char *name, const char *words)
{
    printf(", \"%s\": \"", name);
    for (; *words != '\0'; words++)
        (void)putchar(*words == '"' || *words == '\\' || (unsigned char)*words < 0x20 ? '\'' : *words);
    printf("\"");
}

static void do_load(load *l, unsigned ms, unsigned rate)
{
    static const char *const kinds[] = {"known", "other", "encrypt"};
    load_result result;
    rate_requests before = rate_count(l);
    rate_watch_begin(l);
    load_run(l, ms, rate, &result);
    rate_peak peak = rate_watch_end();
    rate_requests after = rate_count(l);
    printf("{\"ms\": %u, \"wrong\": %lu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"requests\": %lu, \"answered\": %lu", ms,
           (unsigned long)result.wrong, result.p50_ms, result.p99_ms, (unsigned long)(after.made - before.made),
           (unsigned long)(after.answered - before.answered));
    printf(", \"peak\": %lu, \"peak_per_call\": %.4f", (unsigned long)peak.requests, peak.per_call);
    for (size_t kind = 0; kind < LOAD_KINDS; kind++) {
        char name[24];
        printf(", \"%s\": %lu, \"%s_failed\": %lu", kinds[kind], (unsigned long)result.calls[kind], kinds[kind],
               (unsigned long)result.errors[kind]);
        (void)snprintf(name, sizeof name, "%s_why", kinds[kind]);
        print_text(name, result.why[kind]);
    }
    printf("}\n");
}

/* --- the other lines --- */

/* The library's own clock is coarse. */
static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void pause_ms(long ms)
{
    const struct timespec pause = {0, ms * 1000000};
    (void)nanosleep(&pause, NULL);
}

static void do_settle(load *l, unsigned ms)
{
    int64_t since_ns = now_ns(), until_ns = since_ns + (int64_t)ms * 1000000;
    unsigned num_right = 0;
    bulla_call call;
    while (num_right < 3 && now_ns() < until_ns) {
        load_call_init(&call);
        bulla_call_deadline_set(&call, l->options.deadline_ms);
        num_right = load_probe(l, &call) == BULLA_OK ? num_right + 1 : 0;
        pause_ms(20);
    }
    printf("{\"is_settled\": %s, \"ms\": %ld", num_right == 3 ? "true" : "false",
           (long)((now_ns() - since_ns) / 1000000));
    print_text("why", num_right == 3 ? "" : call.why);
    printf("}\n");
}

static void do_refused(load *l, int64_t since_ns, unsigned ms)
{
    int64_t last_ns = now_ns(), until_ns = last_ns + (int64_t)ms * 1000000;
    uint64_t num_opened = 0;
    bulla_call call;
    for (size_t i = 0; now_ns() < until_ns && now_ns() - last_ns < 1000000000; i++) {
        bool is_right = false;
        load_call_init(&call);
        bulla_call_deadline_set(&call, l->options.deadline_ms);
        if (load_decrypt_known(l, &call, i, &is_right) == BULLA_OK) {
            last_ns = now_ns();
            num_opened++;
        }
        pause_ms(1);
    }
    printf("{\"opened_for_ms\": %ld, \"opened\": %lu, \"is_refused\": %s", (long)((last_ns - since_ns) / 1000000),
           (unsigned long)num_opened, now_ns() - last_ns >= 1000000000 ? "true" : "false");
    print_text("why", call.why);
    printf("}\n");
}

static long status_number(const char *name)
{
    char line[256];
    long value = -1;
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL) return -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0) value = strtol(line + strlen(name) + 1, NULL, 10);
    (void)fclose(file);
    return value;
}

static long count_descriptors(void)
{
    long num = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL) return -1;
    while (readdir(folder) != NULL)
        num++;
    (void)closedir(folder);
    return num - 3; /* ".", ".." and the folder itself */
}

static bulla_status keep_stats(void *arg, bulla_call *call, const char *address, const bulla_cache_stats *stats)
{
    bulla_cache_stats *kept = arg;
    (void)call, (void)address;
    *kept = *stats;
    return BULLA_OK;
}

static void do_facts(load *l)
{
    bulla_cache_stats stats = {0};
    if (bulla_caches_visit(l->house, &l->call, keep_stats, &stats) != BULLA_OK) exit(1);
    printf("{\"threads\": %ld, \"descriptors\": %ld, \"rss_kib\": %ld, \"stale_bound_ms\": %u, \"hits\": %lu, "
           "\"misses\": %lu, \"refreshed\": %lu, \"offline_hits\": %lu, \"is_offline\": %s}\n",
           status_number("Threads"), count_descriptors(), status_number("VmRSS"), stats.stale_bound_ms,
           (unsigned long)stats.hits, (unsigned long)stats.misses, (unsigned long)stats.refreshed,
           (unsigned long)stats.offline_hits, stats.is_offline ? "true" : "false");
}

static void do_clock(int64_t off_ms)
{
    load_wall_shift(off_ms);
    printf("{\"off_ms\": %ld}\n", (long)off_ms);
}

static bool obey(load *l, const char *line)
{
    unsigned ms = 0, rate = 0;
    long long since_ns = 0, off_ms = 0;
    if (sscanf(line, "load %u %u", &ms, &rate) == 2 && rate != 0)
        do_load(l, ms, rate);
    else if (sscanf(line, "settle %u", &ms) == 1)
        do_settle(l, ms);
    else if (sscanf(line, "refused %lld %u", &since_ns, &ms) == 2)
        do_refused(l, since_ns, ms);
    else if (sscanf(line, "clock %lld", &off_ms) == 1)
        do_clock(off_ms);
    else if (strcmp(line, "facts\n") == 0)
        do_facts(l);
    else
        return false;
    return fflush(stdout) == 0;
}

int main(void)
{
    static load l;
    char line[128];
    const load_options options = options_read();
    load_open(&l, &options);
    printf("{\"is_ready\": true}\n");
    (void)fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (obey(&l, line)) continue;
        (void)fprintf(stderr, "chaos: no such line: %s", line);
        return 2;
    }
    load_close(&l);
    return 0;
}
