/* SPDX-License-Identifier: Apache-2.0 */
/* One file encrypted or decrypted: input opened, output whole or not at all, look kept, result told. */
#ifndef BULLA_CLI_TRANSFER_H
#define BULLA_CLI_TRANSFER_H

#include "cli/fdio.h"
#include "cli/files.h"

struct cli_transfer {
    struct cli_files files;
    bool force;
    unsigned threads; /* 0: not said */
    /* Moves all of the input into the sink. `kept`: nobody sees what was written until all of it is good. */
    bulla_status (*copy)(struct cli_transfer *transfer, struct cli_input *input, const bulla_sink *sink, bool kept);
    /* Adds to the JSON of a finished file what only this verb knows. */
    bulla_status (*describe)(struct cli_transfer *transfer, struct cli_input *input, json_t *result);
};

/* The options that both verbs have (CLI_TRANSFER_OPTIONS), and the job that calls `copy`. */
bulla_status cli_transfer_init(struct cli_transfer *transfer, struct cli *cli);

#define CLI_MAX_THREADS 64u

#define CLI_TRANSFER_OPTIONS                                                                                           \
    {'o', "output", "OUT", "write to this file; into this folder when there are several", false},                      \
        {'R', "recursive", NULL, "do whole folders", false},                                                           \
        {'j', "threads", "N", "work with this many threads on each file", false},                                      \
    {                                                                                                                  \
        'f', "force", NULL, "replace outputs that are there already", false                                            \
    }

/* The value of --threads; without it, by what the input is: one for streams and for all but large files. */
unsigned cli_transfer_threads(const struct cli_transfer *transfer, const struct cli_input *input);

#endif
