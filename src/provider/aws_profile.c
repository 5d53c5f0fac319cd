/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials and settings of a profile in the files that AWS's tools share. */
#include "base/bytes.h"
#include "base/mem.h"
#include "provider/aws.h"

#include <stdio.h>

#define MAX_DEPTH 5u /* of source_profile */
#define MAX_PATH 1024u
#define MAX_VALUE 1024u

/* Both files, read at each login. */
typedef struct files {
    bulla_secret *credentials, *config; /* NULL: not there */
} files;

static void files_done(files *both)
{
    bulla_secret_unref(both->credentials);
    bulla_secret_unref(both->config);
}

#define FILES __attribute__((cleanup(files_done))) files

/* A profile on the way to credentials. */
typedef struct search {
    const bulla_aws_asker *asker;
    const files *both;
    unsigned depth;
} search;

/* A file that nobody named and that is not there, empty or not readable by this user has no profiles. */
static bulla_status file_load(bulla_call *call, const char *name, const char *usual, bulla_secret **out_secret)
{
    char path[MAX_PATH];
    const char *named = bulla_kms_setting(call, NULL, name, NULL), *home = bulla_kms_setting(call, NULL, "HOME", NULL);
    if (named == NULL && home == NULL) return BULLA_OK;
    int len = snprintf(path, sizeof path, "%s%s", named != NULL ? named : home, named != NULL ? "" : usual);
    if (len < 0 || (size_t)len >= sizeof path) return bulla_fail(call, BULLA_ECONFIG, "%s: the path is too long", name);
    bulla_status status = bulla_kms_secret_file(call, path, out_secret);
    bool is_absent = status == BULLA_ENOFILE || status == BULLA_ECONFIG || (status == BULLA_EAUTHZ && named == NULL);
    return is_absent ? BULLA_OK : status;
}

static bulla_status files_load(bulla_call *call, files *both)
{
    BULLA_TRY(file_load(call, "AWS_SHARED_CREDENTIALS_FILE", "/.aws/credentials", &both->credentials));
    return file_load(call, "AWS_CONFIG_FILE", "/.aws/config", &both->config);
}

/* The credentials file counts more. */
static bulla_status profile_read(bulla_call *call, const files *both, const char *name, bulla_awsini_profile *profile)
{
    memset(profile, 0, sizeof *profile);
    bulla_status status = bulla_awsini_read(call, bulla_secret_borrow(both->credentials), "AWS's credentials file",
                                            BULLA_AWSINI_CREDENTIALS, name, profile);
    if (status == BULLA_OK)
        status = bulla_awsini_read(call, bulla_secret_borrow(both->config), "AWS's config file", BULLA_AWSINI_CONFIG,
                                   name, profile);
    return status == BULLA_EFORMAT ? bulla_aws_restate(call, BULLA_ECONFIG) : status;
}

static const char *profile_name(bulla_call *call, const bulla_kms_config *config)
{
    return bulla_kms_setting(call, config->profile, "AWS_PROFILE AWS_DEFAULT_PROFILE", "default");
}

bool bulla_aws_profile_region(bulla_call *call, const bulla_kms_config *config, char out[BULLA_AWS_MAX_REGION])
{
    FILES both = {NULL, NULL};
    bulla_awsini_profile profile;
    if (files_load(call, &both) != BULLA_OK) return false;
    if (profile_read(call, &both, profile_name(call, config), &profile) != BULLA_OK) return false;
    if (!bulla_awsarn_is_region(profile.region)) return false;
    memcpy(out, profile.region.data, profile.region.len);
    out[profile.region.len] = '\0';
    return true;
}

/* --- credentials --- */

static bool text_copy(bulla_view value, char out[MAX_VALUE])
{
    if (value.len >= MAX_VALUE || (value.len != 0 && memchr(value.data, '\0', value.len) != NULL)) return false;
    bulla_copy(out, value.data, value.len);
    out[value.len] = '\0';
    return true;
}

static bulla_status too_long(const search *s, const char *name)
{
    return bulla_fail(s->asker->call, BULLA_ECONFIG, "AWS profile \"%.64s\": a value that is too long", name);
}

static bulla_status static_take(const search *s, const char *name, const bulla_awsini_profile *profile,
                                bulla_aws_creds **out_creds)
{
    BULLA_AWSCREDS(value);
    char source[BULLA_AWS_MAX_SOURCE];
    const bulla_view texts[3] = {profile->access_key_id, profile->secret_access_key, profile->session_token};
    (void)snprintf(source, sizeof source, "AWS profile \"%.64s\"", name);
    bulla_status status = bulla_awscreds_init(s->asker->call, source, texts, &value);
    if (status == BULLA_EFORMAT) return bulla_aws_restate(s->asker->call, BULLA_ECONFIG);
    BULLA_TRY(status);
    return bulla_aws_creds_new(s->asker->call, &value, source, out_creds);
}

static bulla_status source_take(const search *s, const char *name, bulla_view source, bulla_aws_creds **out_creds)
{
    const char *why = "nothing of that kind is set up (Environment, EcsContainer, Ec2InstanceMetadata)";
    BULLA_AUTO(bulla_aws_creds) *creds = NULL;
    if (bulla_view_is(source, "Environment"))
        BULLA_TRY(bulla_aws_environment_ask(s->asker, &creds));
    else if (bulla_view_is(source, "EcsContainer"))
        BULLA_TRY(bulla_aws_container_ask(s->asker, &creds));
    else if (bulla_view_is(source, "Ec2InstanceMetadata"))
        BULLA_TRY(bulla_aws_instance_ask(s->asker, true, &creds, &why));
    if (creds == NULL)
        return bulla_fail(s->asker->call, BULLA_EAUTHN,
                          "AWS profile \"%.64s\": credential_source has no credentials: %s", name, why);
    *out_creds = BULLA_TAKE(creds);
    return BULLA_OK;
}

static bulla_status profile_take(const search *s, const char *name, bool is_source_of_itself,
                                 bulla_aws_creds **out_creds);

/* Whose credentials ask for the role. */
static bulla_status signer_take(const search *s, const char *name, const bulla_awsini_profile *profile,
                                bulla_aws_creds **out_creds)
{
    char source[MAX_VALUE];
    const search deeper = {s->asker, s->both, s->depth + 1};
    if (profile->credential_source.len != 0) return source_take(s, name, profile->credential_source, out_creds);
    if (profile->source_profile.len == 0)
        return bulla_fail(s->asker->call, BULLA_ECONFIG,
                          "AWS profile \"%.64s\": role_arn wants source_profile, credential_source or "
                          "web_identity_token_file beside it",
                          name);
    if (!text_copy(profile->source_profile, source)) return too_long(s, name);
    return profile_take(&deeper, source, strcmp(source, name) == 0, out_creds);
}

static bulla_status role_take(const search *s, const char *name, const bulla_awsini_profile *profile,
                              bulla_aws_creds **out_creds)
{
    char role[MAX_VALUE], session[MAX_VALUE], external[MAX_VALUE], duration[MAX_VALUE], file[MAX_VALUE];
    BULLA_AUTO(bulla_aws_creds) *signer = NULL;
    if (!text_copy(profile->role_arn, role) || !text_copy(profile->role_session_name, session) ||
        !text_copy(profile->external_id, external) || !text_copy(profile->duration_seconds, duration) ||
        !text_copy(profile->web_identity_token_file, file))
        return too_long(s, name);
    if (profile->mfa_serial.len != 0)
        return bulla_fail(s->asker->call, BULLA_ECONFIG,
                          "AWS profile \"%.64s\" wants a code from an MFA device (mfa_serial), and nobody is here to "
                          "type one",
                          name);
    if (file[0] == '\0') BULLA_TRY(signer_take(s, name, profile, &signer));
    const bulla_aws_role wanted = {
        .request = {.role_arn = role,
                    .session_name = session[0] == '\0' ? "bulla" : session,
                    .external_id = external[0] == '\0' ? NULL : external,
                    .duration_s = duration[0] == '\0' ? NULL : duration},
        .token_file = file[0] == '\0' ? NULL : file,
        .signer = signer,
    };
    return bulla_aws_role_ask(s->asker, &wanted, out_creds);
}

/* A process that holds keys starts no programs that a file names, and opens no browser. */
static bulla_status refused_check(const search *s, const char *name, const bulla_awsini_profile *profile)
{
    const char *what = profile->credential_process.len != 0 ? "credential_process"
                       : profile->sso.len != 0              ? "sso_…"
                                                            : NULL;
    if (what == NULL) return BULLA_OK;
    return bulla_fail(s->asker->call, BULLA_EUNSUPPORTED,
                      "AWS profile \"%.64s\" uses %s, which is not supported here: export its credentials to the "
                      "environment (aws configure export-credentials)",
                      name, what);
}

static bulla_status profile_take(const search *s, const char *name, bool is_source_of_itself,
                                 bulla_aws_creds **out_creds)
{
    bulla_awsini_profile profile;
    if (s->depth == MAX_DEPTH)
        return bulla_fail(s->asker->call, BULLA_ECONFIG,
                          "AWS profile \"%.64s\": source_profile goes round, or over %u profiles", name, MAX_DEPTH);
    BULLA_TRY(profile_read(s->asker->call, s->both, name, &profile));
    if (profile.role_arn.len != 0 && !is_source_of_itself) return role_take(s, name, &profile, out_creds);
    if (profile.access_key_id.len != 0 || profile.secret_access_key.len != 0)
        return static_take(s, name, &profile, out_creds);
    BULLA_TRY(refused_check(s, name, &profile));
    if (s->depth == 0) return BULLA_OK;
    return bulla_fail(s->asker->call, BULLA_ECONFIG, "AWS profile \"%.64s\" %s", name,
                      profile.is_there ? "has no credentials" : "is not there");
}

bulla_status bulla_aws_profile_ask(const bulla_aws_asker *asker, bulla_aws_creds **out_creds)
{
    FILES both = {NULL, NULL};
    const search start = {asker, &both, 0};
    bulla_awsini_profile profile;
    const char *name = profile_name(asker->call, asker->config);
    bool is_named =
        bulla_kms_setting(asker->call, asker->config->profile, "AWS_PROFILE AWS_DEFAULT_PROFILE", NULL) != NULL;
    BULLA_TRY(files_load(asker->call, &both));
    BULLA_TRY(profile_read(asker->call, &both, name, &profile));
    if (is_named && !profile.is_there)
        return bulla_fail(asker->call, BULLA_ECONFIG, "AWS profile \"%.64s\" is in none of the shared files", name);
    return profile_take(&start, name, false, out_creds);
}
