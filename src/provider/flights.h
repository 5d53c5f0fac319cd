/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Single flight: of all who miss one key at a time, one asks the store and the others wait for what it brings. The
 * leader makes its own request under its own deadline; when that ends it, somebody else must ask.
 */
#ifndef BULLA_PROVIDER_FLIGHTS_H
#define BULLA_PROVIDER_FLIGHTS_H

#include "provider/cachetable.h"
#include "provider/request.h"

typedef struct bulla_flight bulla_flight;

typedef struct bulla_flights {
    const bulla_env *env;
    bulla_secret *memory; /* of what is under way: emptied in a forked child, where nobody would ever land */
} bulla_flights;

BULLA_MUST_USE bulla_status bulla_flights_init(bulla_flights *flights, bulla_call *call);
void bulla_flights_done(bulla_flights *flights);

/* Joins the flight for `key` that began after the same purge, or begins one: then *out_leads is true and
 * bulla_flight_land must follow; the key's parts are borrowed until then. NULL without memory: ask alone. */
bulla_flight *bulla_flights_join(bulla_flights *flights, const bulla_cachekey *key, uint64_t generation,
                                 bool *out_leads);

/* The leader is back, with a data key or with the failure in its call. Its reference is given back. */
void bulla_flight_land(bulla_flights *flights, bulla_flight *flight, bulla_status status, bulla_call *call,
                       bulla_secret *dek);

/* Waits for a flight that somebody else leads and gives the reference back. True: it is over, with the key or with the
 * failure of the store, which is the call's now. False: ask again, unless the call itself has ended (*out_status). */
BULLA_MUST_USE bool bulla_flight_wait(bulla_flights *flights, bulla_flight *flight, bulla_call *call,
                                      bulla_status *out_status, bulla_secret **out_dek);

/* Gives back the reference of one who joined and will not wait. */
void bulla_flight_leave(bulla_flights *flights, bulla_flight *flight);

#endif
