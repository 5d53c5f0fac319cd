/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of format 1 (spec/keystore.md, Tables): what an empty database is filled with, in one transaction. */
#ifndef BULLA_KEYSTORE_SCHEMA_H
#define BULLA_KEYSTORE_SCHEMA_H

extern const char bulla_schema[];

#endif
