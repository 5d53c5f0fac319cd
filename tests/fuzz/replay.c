/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzzer's entry over every file of the folders given: what was once found stays found. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) return -1;
    uint8_t *data = malloc((size_t)1 << 24);
    size_t len = data == NULL ? 0 : fread(data, 1, (size_t)1 << 24, file);
    (void)fclose(file);
    if (data == NULL) return -1;
    /* An exact-size copy lets the address sanitizer see a read past the end. */
    uint8_t *exact = malloc(len == 0 ? 1 : len);
    if (exact == NULL) abort();
    for (size_t i = 0; i < len; i++)
        exact[i] = data[i];
    free(data);
    (void)LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    return 0;
}

int main(int argc, char **argv)
{
    unsigned long num_files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (dir == NULL) continue;
        for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
            char path[4096];
            if (entry->d_name[0] == '.') continue;
            (void)snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            if (replay_file(path) == 0) num_files++;
        }
        (void)closedir(dir);
    }
    (void)printf("%lu inputs replayed\n", num_files);
    return num_files == 0; /* an empty corpus is no test */
}
