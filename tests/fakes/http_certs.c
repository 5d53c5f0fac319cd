/* SPDX-License-Identifier: Apache-2.0 */
#include "fakes/http_certs.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DAY 86400
#define GOOD_NAMES "DNS:localhost,DNS:kms.example.test,IP:127.0.0.1"

typedef struct identity {
    X509 *cert;
    EVP_PKEY *key;
} identity;

typedef struct wish {
    const char *name, *alternatives; /* NULL: a CA, or a client */
    int from_days, to_days;
    bool is_ca;
} wish;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static identity ca, other_ca, client, leaves[HTTP_TLS_OTHER_CA + 1];
static char folder[] = "/tmp/bulla-http-XXXXXX", ca_path[64], cert_path[64], key_path[64];
static pid_t maker;

_Noreturn void http_server_die(const char *what)
{
    (void)fprintf(stderr, "http_server: %s\n", what);
    ERR_print_errors_fp(stderr);
    abort();
}

static void require(bool holds, const char *what)
{
    if (!holds) http_server_die(what);
}

static void extend(X509 *cert, int nid, const char *value)
{
    X509V3_CTX context = {.db = NULL};
    X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    require(extension != NULL && X509_add_ext(cert, extension, -1) == 1, "a certificate's extension");
    X509_EXTENSION_free(extension);
}

/* Signed by `issuer`, or by itself with NULL. */
static identity issue(const wish *wanted, const identity *issuer)
{
    static long serial = 1;
    identity made = {X509_new(), EVP_EC_gen("P-256")};
    require(made.cert != NULL && made.key != NULL, "a certificate");
    X509_NAME *name = X509_get_subject_name(made.cert);
    (void)X509_set_version(made.cert, X509_VERSION_3);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(made.cert), serial++);
    (void)X509_gmtime_adj(X509_getm_notBefore(made.cert), (long)wanted->from_days * DAY);
    (void)X509_gmtime_adj(X509_getm_notAfter(made.cert), (long)wanted->to_days * DAY);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)wanted->name, -1, -1, 0);
    (void)X509_set_issuer_name(made.cert, issuer == NULL ? name : X509_get_subject_name(issuer->cert));
    (void)X509_set_pubkey(made.cert, made.key);
    extend(made.cert, NID_basic_constraints, wanted->is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (wanted->is_ca) extend(made.cert, NID_key_usage, "critical,keyCertSign");
    if (wanted->alternatives != NULL) extend(made.cert, NID_subject_alt_name, wanted->alternatives);
    require(X509_sign(made.cert, issuer == NULL ? made.key : issuer->key, EVP_sha256()) > 0, "a signature");
    return made;
}

static void write_pem(char path[static 64], const char *name, X509 *cert, EVP_PKEY *key)
{
    (void)snprintf(path, 64, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    require(file != NULL, "a file for a certificate");
    require(key == NULL ? PEM_write_X509(file, cert) == 1
                        : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1,
            "writing a certificate");
    require(fclose(file) == 0, "writing a certificate");
}

static void free_identity(identity *gone)
{
    X509_free(gone->cert);
    EVP_PKEY_free(gone->key);
}

static void remove_all(void)
{
    free_identity(&ca);
    free_identity(&other_ca);
    free_identity(&client);
    for (size_t i = HTTP_TLS_GOOD; i <= HTTP_TLS_OTHER_CA; i++)
        free_identity(&leaves[i]);
    if (getpid() != maker) return;
    (void)unlink(ca_path);
    (void)unlink(cert_path);
    (void)unlink(key_path);
    (void)rmdir(folder);
}

static void make_all(void)
{
    ca = issue(&(wish){"Bulla test CA", NULL, -1, 30, true}, NULL);
    other_ca = issue(&(wish){"Another test CA", NULL, -1, 30, true}, NULL);
    client = issue(&(wish){"test client", NULL, -1, 30, false}, &ca);
    leaves[HTTP_TLS_GOOD] = issue(&(wish){"localhost", GOOD_NAMES, -1, 30, false}, &ca);
    leaves[HTTP_TLS_WRONG_HOST] = issue(&(wish){"elsewhere", "DNS:elsewhere.example.test", -1, 30, false}, &ca);
    leaves[HTTP_TLS_EXPIRED] = issue(&(wish){"localhost", GOOD_NAMES, -30, -1, false}, &ca);
    leaves[HTTP_TLS_NOT_YET] = issue(&(wish){"localhost", GOOD_NAMES, 10, 30, false}, &ca);
    leaves[HTTP_TLS_SELF_SIGNED] = issue(&(wish){"localhost", GOOD_NAMES, -1, 30, false}, NULL);
    leaves[HTTP_TLS_OTHER_CA] = issue(&(wish){"localhost", GOOD_NAMES, -1, 30, false}, &other_ca);
    require(mkdtemp(folder) != NULL, "a folder for certificates");
    maker = getpid();
    write_pem(ca_path, "ca.pem", ca.cert, NULL);
    write_pem(cert_path, "client.pem", client.cert, NULL);
    write_pem(key_path, "client.key", NULL, client.key);
    (void)atexit(remove_all);
}

static const char *made_path(const char *path)
{
    (void)pthread_once(&once, make_all);
    return path;
}

const char *http_server_ca(void)
{
    return made_path(ca_path);
}

const char *http_client_cert(void)
{
    return made_path(cert_path);
}

const char *http_client_key(void)
{
    return made_path(key_path);
}

/* The server speaks HTTP/1.1 alone: a client that offers more is told so. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *offered,
                           unsigned int offered_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen = NULL;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, offered, offered_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *http_certs_context(const http_server_options *options)
{
    (void)pthread_once(&once, make_all);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    require(context != NULL, "a TLS context");
    require(SSL_CTX_use_certificate(context, leaves[options->tls].cert) == 1 &&
                SSL_CTX_use_PrivateKey(context, leaves[options->tls].key) == 1,
            "the server's certificate");
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    if (options->is_tls12) (void)SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    if (options->wants_client_cert) {
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        require(SSL_CTX_load_verify_file(context, ca_path) == 1, "the clients' CA");
        (void)SSL_CTX_set_session_id_context(context, (const unsigned char *)"bulla", 5);
    }
    return context;
}
