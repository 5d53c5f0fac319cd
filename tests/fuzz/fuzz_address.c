/* SPDX-License-Identifier: Apache-2.0 */
/* Key addresses: whatever the text, the parser ends, says where a mistake is, and keeps to its own limits. */
#include "provider/address.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void require(bool holds)
{
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static const char *const known[] = {"namespace", "name", "padding", NULL};
    static bulla_address address;
    char *text = malloc(len + 1), scheme[BULLA_SCHEME_MAX + 1];
    if (text == NULL) return 0;
    if (len != 0) memcpy(text, data, len);
    text[len] = '\0';
    bulla_call call;
    bulla_call_init(&call, NULL);
    bulla_status status = bulla_address_parse(&call, text, &address);
    require(status == BULLA_OK || (status == BULLA_EINVAL && call.why[0] != '\0'));
    if (status == BULLA_OK) {
        require(bulla_address_scheme_parse(&call, text, scheme) == BULLA_OK && strcmp(scheme, address.scheme) == 0);
        require(address.num_params <= BULLA_ADDRESS_PARAMS && strlen(address.body) < strlen(text));
        for (size_t i = 0; i < address.num_params; i++) /* no name twice: each is found where it stands */
            require(bulla_address_param(&address, address.params[i].key, NULL) == address.params[i].value);
        status = bulla_address_params_check(&call, &address, known);
        require(status == BULLA_OK || status == BULLA_EINVAL);
    }
    free(text);
    return 0;
}
