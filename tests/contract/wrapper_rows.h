/* SPDX-License-Identifier: Apache-2.0 */
/* How the wrappers of rows are made: each over what its row's `inner` makes. */
#ifndef BULLA_TESTS_WRAPPER_ROWS_H
#define BULLA_TESTS_WRAPPER_ROWS_H

#include "contract/provider_contract.h"

bulla_status make_cache(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider);
bulla_status make_full_cache(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider);
bulla_status make_retry(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider);
bulla_status make_breaker(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider);

/* Two endpoints of one key, the unwrap hedged; and two keys, of which the second stands in. */
bulla_status make_failover(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider);
bulla_status make_replicas(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider);

/* Fails every twentieth time; while it is down, always. There is one switch for all of them. */
bulla_status make_faulty(const contract_row *row, bulla_call *call, unsigned which, bulla_provider **out_provider);
void faulty_down_set(bulla_provider *provider, bool down);

#endif
