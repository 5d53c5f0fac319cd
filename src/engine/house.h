/* SPDX-License-Identifier: Apache-2.0 */
/* The house from inside: what its functions share. */
#ifndef BULLA_ENGINE_HOUSE_H
#define BULLA_ENGINE_HOUSE_H

#include "base/macros.h"
#include "bulla/house.h"
#include "provider/provider.h"

#endif
