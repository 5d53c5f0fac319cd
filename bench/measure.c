/* SPDX-License-Identifier: Apache-2.0 */
/*
 * measure [-n NUM] PROGRAM ARG...: runs a program NUM times, one after another, and prints what it took as JSON. A
 * program of its own because a child's peak memory counts from its parent's: the parent has to be small.
 * What the program writes to its standard output is thrown away.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int run_one(char **program, struct rusage *out_usage)
{
    pid_t child = fork();
    if (child == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL) _exit(127);
        (void)execvp(program[0], program);
        _exit(127);
    }
    int how = 0;
    if (child < 0 || wait4(child, &how, 0, out_usage) != child) return 127;
    return WIFEXITED(how) ? WEXITSTATUS(how) : 128;
}

int main(int argc, char **argv)
{
    long num = 1, max_kib = 0;
    double user = 0, system = 0;
    int first = 1;
    if (argc > 3 && strcmp(argv[1], "-n") == 0) {
        num = strtol(argv[2], NULL, 10);
        first = 3;
    }
    if (first >= argc) return 2;
    double start = now_s();
    for (long i = 0; i < num; i++) {
        struct rusage usage = {0};
        int status = run_one(argv + first, &usage);
        if (status != 0) return status;
        user += seconds(usage.ru_utime);
        system += seconds(usage.ru_stime);
        if (usage.ru_maxrss > max_kib) max_kib = usage.ru_maxrss;
    }
    (void)printf("{\"num\": %ld, \"wall_s\": %.6f, \"user_s\": %.6f, \"system_s\": %.6f, \"max_kib\": %ld}\n", num,
                 now_s() - start, user, system, max_kib);
    return 0;
}
