/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every provider and every wrapper must do, good days and bad. A new back end adds one row to contract_rows.c and
 * is held to all of it.
 */
#ifndef BULLA_TESTS_PROVIDER_CONTRACT_H
#define BULLA_TESTS_PROVIDER_CONTRACT_H

#include "base/bytes.h"
#include "base/context.h"
#include "base/secret.h"
#include "cmocka_all.h"
#include "fakes/fake_env.h"
#include "provider/provider.h"

typedef struct contract_row {
    const char *name;
    /* Opens key number `which`, 0 or 1: two keys of one kind, each the same at every call. */
    bulla_status (*make)(const struct contract_row *row, bulla_call *call, unsigned which,
                         bulla_provider **out_provider);
    const struct contract_row *inner;                      /* for wrappers: what `make` wraps */
    bool ignores_context;                                  /* the wrapping has no place for one (RSA) */
    void (*down_set)(bulla_provider *provider, bool down); /* cuts the store off; NULL: it has nothing to cut */
} contract_row;

extern const contract_row contract_rows[];
extern const size_t num_contract_rows;

/* Makes what the rows need in `dir`, once. */
void contract_rows_prepare(const char *dir);

/* What every check starts with. */
typedef struct contract {
    const contract_row *row;
    fake_env fake;
    bulla_call call;
    bulla_provider *key, *other;
    bulla_context *context; /* two pairs */
} contract;

typedef struct contract_check {
    const char *name;
    void (*run)(void **state);
    bool needs_outage;
} contract_check;

#define CONTRACT_CHECK(function)                                                                                       \
    {                                                                                                                  \
#function, function, false                                                                                     \
    }

extern const contract_check roundtrip_checks[], damage_checks[], conduct_checks[];
extern const size_t num_roundtrip_checks, num_damage_checks, num_conduct_checks;

/* A data key of 32 bytes wrapped by c->key with c->context, and opened once: whatever remembers, remembers it. */
typedef struct contract_sample {
    bulla_secret *dek;
    bulla_wrapped *wrapped;
} contract_sample;
contract_sample contract_sample_new(contract *c);
void contract_sample_done(contract_sample *sample);

/* Asserts that two data keys have the same bytes. */
void assert_same_key(const bulla_secret *a, const bulla_secret *b);

/* Asserts that `wrapped` does not open, that the reason is one of the two there are, and that nothing comes out. */
void assert_refused(contract *c, bulla_provider *key, bulla_context *context, const bulla_wrapped *wrapped);

bulla_context *contract_context_new(contract *c, const char *const *texts, size_t num_pairs);

/* Part 0 (provider), 1 (info) or 2 (blob). */
bulla_view *contract_part(bulla_wrapped *wrapped, size_t part);

#endif
