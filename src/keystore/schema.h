/* SPDX-License-Identifier: Apache-2.0 */
/* The tables (spec/keystore.md, Tables of format 2): what an empty database is filled with, in one transaction. */
#ifndef BULLA_KEYSTORE_SCHEMA_H
#define BULLA_KEYSTORE_SCHEMA_H

extern const char bulla_schema[];

/* What makes them of those of format 1 (Versions), within a transaction. */
extern const char bulla_schema_from_1[];

#endif
