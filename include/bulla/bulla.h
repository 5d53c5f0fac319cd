/* SPDX-License-Identifier: Apache-2.0 */
/* Everything libbulla promises. Include this, or the headers you need: each compiles alone as C99 and as C++11. */
#ifndef BULLA_BULLA_H
#define BULLA_BULLA_H

#include "bulla/call.h"
#include "bulla/config.h"
#include "bulla/context.h"
#include "bulla/env.h"
#include "bulla/envelope.h"
#include "bulla/house.h"
#include "bulla/key.h"
#include "bulla/keystore.h"
#include "bulla/kms.h"
#include "bulla/metrics.h"
#include "bulla/provider.h"
#include "bulla/provider_impl.h"
#include "bulla/record.h"
#include "bulla/secret.h"
#include "bulla/status.h"
#include "bulla/types.h"

#endif
