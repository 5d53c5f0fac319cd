/* SPDX-License-Identifier: Apache-2.0 */
/* What tests on real servers have: the facts that tests/servers/run.py left in the environment, and its verbs. */
#ifndef BULLA_TESTS_STORES_CONTROL_H
#define BULLA_TESTS_STORES_CONTROL_H

/* BULLA_<name> of the environment. Without it the program ends as a skip. */
const char *fact(const char *name);

/* "openbao seal": does it, and ends the program with the reason when it could not be done. */
void control(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
