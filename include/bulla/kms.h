/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How to reach key stores, and how to lean on them: one bulla_kms_config for each store, handed to bulla_open in
 * bulla_options. bulla.yaml(5) has the same names in its section `kms`. Members left zero take the usual variables of
 * the call's environment (VAULT_ADDR, AWS_REGION, …) where the store has such, else the default.
 *
 * A key of a configured store is opened by its address: with its scheme (vault:transit/keys/app?kms=main; without kms=
 * the first configuration of that scheme counts), or as kms:main for the key the configuration itself names.
 */
#ifndef BULLA_KMS_H
#define BULLA_KMS_H

#include "bulla/provider.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BULLA_MAX_KMS 32u      /* configurations of one house */
#define BULLA_MAX_ENDPOINTS 8u /* of one configuration */

typedef struct bulla_tls_options {
    const char *ca_cert;                /* PEM file of the authorities to trust; NULL: the system's */
    const char *client_cert;            /* PEM file; NULL: none */
    const char *client_key;             /* PEM file; NULL: in client_cert */
    const char *min_version;            /* "1.2" (NULL) or "1.3" */
    const char *server_name;            /* the name the server's certificate must bear; NULL: the address's host */
    bool accept_any_server_certificate; /* no verification at all: anybody may answer. Logged at every start. */
    bool accept_unencrypted_http;       /* http to other machines: anybody on the way reads tokens and data keys. Logged
                                         * at every start; without it such an address is ECONFIG. */
} bulla_tls_options;

typedef struct bulla_pool_options {
    uint32_t max_connections;       /* at a time; 0: 8; at most 64 */
    uint32_t idle_timeout_ms;       /* an unused connection is closed after it; 0: 60 s */
    uint32_t connection_timeout_ms; /* to have one: name, TCP and TLS; 0: 5 s */
} bulla_pool_options;

/* Repeats requests that failed without effect, after full-jitter exponential waits, or those the server asks for. */
typedef struct bulla_retry_options {
    bool disabled;
    uint32_t max_retries;    /* after the first try; 0: 3; at most 10 */
    uint32_t base_delay_ms;  /* 0: 50 */
    uint32_t max_delay_ms;   /* of one wait; 0: 2,000 */
    uint32_t budget_percent; /* retries never exceed this part of the requests; 0: 10 */
} bulla_retry_options;

/* Stops asking an endpoint that mostly fails; one probe at a time tells when it is back. */
typedef struct bulla_breaker_options {
    bool disabled;
    uint32_t window_ms;       /* failures are counted over it; 0: 10 s */
    uint32_t min_calls;       /* fewer in the window decide nothing; 0: 10 */
    uint32_t failure_percent; /* of the calls in the window; 0: 50 */
    uint32_t open_ms;         /* before the first probe; 0: 5 s */
} bulla_breaker_options;

/* Several endpoints of one store, and then `replicas`: other keys that may stand in, as addresses. */
typedef struct bulla_failover_options {
    bool enabled;        /* of replicas; endpoints of one store always stand in for each other */
    const char *primary; /* address of the first choice; NULL: the key that is opened */
    const char *const *replicas;
    size_t num_replicas;
    uint32_t health_check_interval_ms; /* 0: 10 s */
    uint32_t failover_timeout_ms;      /* one endpoint's share of a request before the next is asked; 0: 3 s; at most
                                        * 10 min */
    bool hedge;                        /* ask a second endpoint when an unwrap takes longer than 95 % of them do */
} bulla_failover_options;

typedef struct bulla_kms_config {
    size_t size;          /* sizeof(bulla_kms_config) */
    const char *name;     /* kms=NAME in addresses; [a-z0-9_-], 1 to 31; required */
    const char *provider; /* the scheme: "vault" (also for OpenBao), "aws", "azure", "gcp", "pkcs11"; required */

    /* Everywhere. */
    bulla_tls_options tls;
    bulla_pool_options pool;
    uint32_t timeout_ms; /* of one try; 0: 5 s */
    bulla_retry_options retry;
    bulla_breaker_options breaker;
    bulla_failover_options failover;
    const bulla_cache_options *cache; /* NULL: the house's; one with ttl_ms 0: none */
    const char *key_name;             /* what kms:NAME opens, in the store's words (vault, azure, gcp) */
    const char *key_version;          /* azure, gcp: wrap under this version only; NULL: the current one */

    /* vault. The first endpoint is address, then addresses, then standby_addresses. */
    const char *address; /* https://host:8200; NULL: VAULT_ADDR */
    const char *const *addresses;
    size_t num_addresses;
    const char *const *standby_addresses;
    size_t num_standby_addresses;
    const char *namespace_;  /* X-Vault-Namespace */
    const char *mount_path;  /* of the Transit engine; NULL: "transit" */
    const char *auth_method; /* "token" "approle" "kubernetes" "cert" "jwt"; NULL: by what is given */
    const char *auth_mount;  /* NULL: the method's usual one */
    const char *auth_role;   /* kubernetes, jwt; cert: the certificate role */
    const char *jwt_file;    /* kubernetes, jwt; read at each login; NULL: the service account's usual place */
    bulla_secret *token;     /* NULL: VAULT_TOKEN */
    const char *token_file;  /* read at each login */
    const char *role_id;     /* approle */
    bulla_secret *secret_id;

    /* aws. */
    const char *region;       /* NULL: AWS_REGION, AWS_DEFAULT_REGION, the profile's */
    const char *key_id;       /* id, ARN, alias/NAME or alias ARN */
    const char *endpoint;     /* NULL: AWS_ENDPOINT_URL_KMS, AWS_ENDPOINT_URL, the region's; of gcp too, see there */
    const char *sts_endpoint; /* NULL: AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL, the region's */
    const char *profile;      /* NULL: AWS_PROFILE, "default" */
    const char *role_arn;     /* assumed on top of what the chain of credentials finds */
    const char *external_id;
    const char *role_session_name;   /* NULL: "bulla" */
    const char *const *replica_keys; /* ARNs of multi-region keys: those with the id of the key that is opened (where
                                      * key_id is an alias, all) stand in for it in this order; at most 7 of one key */
    size_t num_replica_keys;
    const char *const *encryption_context; /* KEY=VALUE pairs bound to every request besides the caller's */
    size_t num_encryption_context;
    const char *data_key_spec;       /* "AES_256" (NULL) or "AES_128": data keys when nobody asks for a length */
    bulla_secret *access_key_secret; /* with access_key_id: instead of the chain */
    const char *access_key_id;
    bulla_secret *session_token;

    /* azure. */
    const char *vault_url; /* https://NAME.vault.azure.net */
    const char *tenant_id, *client_id;
    bulla_secret *client_secret;
    const char *client_certificate; /* PEM file with certificate and key, instead of client_secret */
    const char *authority_host;     /* NULL: AZURE_AUTHORITY_HOST, the public cloud's, what the challenge says */
    bool use_managed_identity;

    /* gcp. endpoint NULL: CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS, Google's. */
    const char *project_id, *location, *key_ring;
    const char *credentials_file; /* NULL: GOOGLE_APPLICATION_CREDENTIALS, gcloud's file, the metadata server */
    const char *quota_project;
    bool use_default_credentials; /* only the metadata server */

    /* pkcs11. */
    const char *module; /* path of the module; NULL: module-path of the URI */
    const char *uri;    /* pkcs11:token=…;object=… (RFC 7512): what kms:NAME opens */
    bulla_secret *pin;  /* NULL: pin-source of the URI */
} bulla_kms_config;

#ifdef __cplusplus
}
#endif

#endif
