/* SPDX-License-Identifier: Apache-2.0 */
/* A wrapper that answers as it is told, request by request, and then hands on what it is asked. */
#ifndef BULLA_TESTS_SCRIPTED_PROVIDER_H
#define BULLA_TESTS_SCRIPTED_PROVIDER_H

#include "fakes/fake_env.h"
#include "provider/request.h"

typedef struct scripted_step {
    bulla_status status;     /* BULLA_OK: handed on */
    uint32_t retry_after_ms; /* with a failure */
    int64_t takes_ms;        /* on the clock of the fake env; ends with the call's deadline */
    bool hangs;              /* until the call ends; a millisecond of the fake clock passes in each real one */
    bool acts;               /* the request is carried out and its answer lost */
    uint32_t only;           /* BULLA_OP_* bits that the step waits for; others are handed on meanwhile; 0: any */
    bulla_secret *instead;   /* what an unwrap gives, whatever was asked; NULL: the truth. Borrowed */
} scripted_step;

typedef struct scripted_provider {
    bulla_wrapper base;
    bulla_provider *inner;
    fake_env *fake;
    const scripted_step *steps; /* borrowed */
    size_t num_steps, at;
    size_t num_calls;        /* requests of any kind */
    int64_t asked_ns[64];    /* when the first of them came */
    void (*hook)(void *arg); /* called in each request, before its step; NULL: nothing */
    void *hook_arg;
} scripted_provider;

BULLA_MUST_USE bulla_status scripted_provider_new(bulla_call *call, bulla_provider *inner, fake_env *fake,
                                                  scripted_provider **out_provider);

/* Begins a new script. NULL and 0: hands everything on. */
void scripted_provider_play(scripted_provider *scripted, const scripted_step *steps, size_t num_steps);

#endif
