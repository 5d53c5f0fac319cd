/* SPDX-License-Identifier: Apache-2.0 */
/* The chain of credentials: which sources there are, and in which order they are asked. */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/aws.h"

#include <stdio.h>

#define SESSION_NAME "bulla"

static const char *variable(const bulla_aws_asker *asker, const char *name)
{
    return bulla_kms_setting(asker->call, NULL, name, NULL);
}

static bulla_status texts_take(const bulla_aws_asker *asker, const char *source, const bulla_view texts[3],
                               bulla_aws_creds **out_creds)
{
    BULLA_AWSCREDS(value);
    bulla_status status = bulla_awscreds_init(asker->call, source, texts, &value);
    if (status == BULLA_EFORMAT) return bulla_aws_restate(asker->call, BULLA_ECONFIG);
    BULLA_TRY(status);
    return bulla_aws_creds_new(asker->call, &value, source, out_creds);
}

static bulla_status configuration_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    const bulla_kms_config *config = asker->config;
    if (config->access_key_id == NULL && config->access_key_secret == NULL) return BULLA_OK;
    if (config->access_key_id == NULL || config->access_key_secret == NULL)
        return bulla_fail(asker->call, BULLA_ECONFIG,
                          "key store \"%s\": access_key_id and secret_access_key belong together", config->name);
    const bulla_view texts[3] = {bulla_view_text(config->access_key_id), bulla_secret_borrow(config->access_key_secret),
                                 bulla_secret_borrow(config->session_token)};
    return texts_take(asker, "the configuration", texts, out_creds);
}

bulla_status bulla_aws_environment_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    const char *id = variable(asker, "AWS_ACCESS_KEY_ID"), *secret = variable(asker, "AWS_SECRET_ACCESS_KEY");
    if (id == NULL && secret == NULL) return BULLA_OK;
    if (id == NULL || secret == NULL)
        return bulla_fail(asker->call, BULLA_ECONFIG, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together");
    const bulla_view texts[3] = {bulla_view_text(id), bulla_view_text(secret),
                                 bulla_view_text(variable(asker, "AWS_SESSION_TOKEN"))};
    return texts_take(asker, "the environment", texts, out_creds);
}

/* What EKS sets for IAM roles for service accounts. */
static bulla_status web_identity_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    const char *file = variable(asker, "AWS_WEB_IDENTITY_TOKEN_FILE"), *role = variable(asker, "AWS_ROLE_ARN");
    if (file == NULL || role == NULL) return BULLA_OK;
    const bulla_aws_role wanted = {
        .request = {.role_arn = role,
                    .session_name = bulla_kms_setting(asker->call, NULL, "AWS_ROLE_SESSION_NAME", SESSION_NAME)},
        .token_file = file,
    };
    return bulla_aws_role_ask(asker, &wanted, out_creds);
}

typedef bulla_status (*source_ask)(const bulla_aws_asker *asker, bulla_aws_creds **out_creds);

/* Whatever the environment of the process has to give: a profile in the configuration means that profile alone. */
static bulla_status surroundings_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    static const source_ask sources[] = {bulla_aws_environment_ask, web_identity_ask, bulla_aws_profile_ask,
                                         bulla_aws_container_ask};
    const char *why = NULL;
    BULLA_AUTO(bulla_aws_creds) *creds = NULL;
    for (size_t i = 0; i < BULLA_LEN(sources) && creds == NULL; i++)
        BULLA_TRY(sources[i](asker, &creds));
    if (creds == NULL) BULLA_TRY(bulla_aws_instance_ask(asker, false, &creds, &why));
    if (creds == NULL)
        return bulla_fail(asker->call, BULLA_EAUTHN,
                          "key store \"%s\": no credentials for AWS in the configuration, the environment, the shared "
                          "files or a container's service; and %s (docs/guide/aws.md)",
                          asker->config->name, why);
    *out_creds = BULLA_TAKE(creds);
    return BULLA_OK;
}

static bulla_status base_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    BULLA_AUTO(bulla_aws_creds) *creds = NULL;
    BULLA_TRY(configuration_ask(asker, &creds));
    if (creds == NULL && asker->config->profile == NULL) return surroundings_ask(asker, out_creds);
    if (creds == NULL) BULLA_TRY(bulla_aws_profile_ask(asker, &creds));
    if (creds == NULL)
        return bulla_fail(asker->call, BULLA_EAUTHN,
                          "key store \"%s\": no credentials for AWS in the profile \"%.64s\" that the configuration "
                          "names (docs/guide/aws.md)",
                          asker->config->name, asker->config->profile);
    *out_creds = BULLA_TAKE(creds);
    return BULLA_OK;
}

bulla_status bulla_aws_chain_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    const bulla_kms_config *config = asker->config;
    BULLA_AUTO(bulla_aws_creds) *base = NULL;
    BULLA_AUTO(bulla_aws_creds) *creds = NULL;
    BULLA_TRY(base_ask(asker, &base));
    if (config->role_arn == NULL) {
        creds = BULLA_TAKE(base);
    } else {
        const bulla_aws_role role = {
            .request = {.role_arn = config->role_arn,
                        .session_name = config->role_session_name == NULL ? SESSION_NAME : config->role_session_name,
                        .external_id = config->external_id},
            .signer = base,
        };
        BULLA_TRY(bulla_aws_role_ask(asker, &role, &creds));
    }
    bulla_log(bulla_env_of(asker->call), BULLA_LOG_INFO, "key store \"%s\": credentials of AWS from %s", config->name,
              creds->source);
    *out_creds = BULLA_TAKE(creds);
    return BULLA_OK;
}
