/* SPDX-License-Identifier: Apache-2.0 */
#include "base/heap.h"

#include "bulla/secret.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *bulla_heap_new(size_t len)
{
    return malloc(len);
}

void *bulla_heap_new_zeroed(size_t num, size_t len)
{
    return calloc(num, len);
}

/* Not realloc, which leaves the old bytes where they were when it moves a block. */
void *bulla_heap_grow(void *ptr, size_t len)
{
    size_t held = ptr == NULL ? 0 : malloc_usable_size(ptr);
    if (ptr != NULL && len <= held) return ptr;
    void *moved = malloc(len);
    if (moved == NULL || ptr == NULL) return moved;
    memcpy(moved, ptr, held);
    bulla_heap_free(ptr);
    return moved;
}

char *bulla_heap_copy_text(const char *text)
{
    return strdup(text);
}

void bulla_heap_free(void *ptr)
{
    if (ptr == NULL) return;
    bulla_wipe(ptr, malloc_usable_size(ptr));
    free(ptr);
}
