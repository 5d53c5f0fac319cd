/* SPDX-License-Identifier: Apache-2.0 */
/* What kind of machine this is: where the metadata service of EC2 is silent, that decides what the silence means. */
#include "base/bytes.h"
#include "provider/aws.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_PATH 256u

const char *bulla_aws_instance_url(void)
{
    return "http://169.254.169.254";
}

static bool file_says(const char *folder, const char *name, const char *words)
{
    char path[MAX_PATH], text[128];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) (void)close(fd);
    if (len <= 0) return false;
    text[len] = '\0';
    return strstr(text, words) != NULL;
}

/* Instances on Nitro, and on metal; those on Xen have 4.11.amazon. Containers see the files of their machine. */
bool bulla_aws_is_ec2(const char *firmware)
{
    return file_says(firmware, "sys_vendor", "Amazon EC2") || file_says(firmware, "bios_version", ".amazon");
}
