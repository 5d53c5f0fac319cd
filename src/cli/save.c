/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/save.h"

bulla_status cli_save_open(struct cli *cli, const char *path, bool force, struct cli_save *save)
{
    CLI_TRY(cli_place_open_output(&cli->call, path, &save->place));
    save->fd = save->place.fd;
    if (save->fd >= 0) return BULLA_OK;
    CLI_TRY(cli_outfile_open(&cli->call, save->place.dir_fd, save->place.name, force, &save->file));
    save->fd = save->file.fd;
    return BULLA_OK;
}

bulla_status cli_save_commit(struct cli *cli, struct cli_save *save, mode_t mode)
{
    if (save->place.fd >= 0) return BULLA_OK;
    return cli_outfile_commit(&save->file, &cli->call, &(struct cli_outfile_look){.mode = mode}, true);
}

void cli_save_done(struct cli_save *save)
{
    cli_outfile_done(&save->file);
    cli_place_done(&save->place);
}

bulla_status cli_save_bytes(struct cli *cli, const char *path, bool force, mode_t mode, bulla_view bytes)
{
    CLI_AUTO(cli_save_done) struct cli_save save = CLI_NO_SAVE;
    CLI_TRY(cli_save_open(cli, path, force, &save));
    CLI_TRY(cli_write(cli, save.fd, bytes.data, bytes.len));
    return cli_save_commit(cli, &save, mode);
}
