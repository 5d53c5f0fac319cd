#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs a program on two keys of a key store: starts the server, writes a bulla.yaml for it, says which keys.

    contract.py STORE COMMAND [ARGUMENT...]        STORE: one of the functions below

The program finds BULLA_CONTRACT_CONFIG, the path of the configuration, and the addresses BULLA_CONTRACT_KEY_0 and _1; of a
STORE-made with BULLA_CONTRACT_CREATE, since it is to make them."""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import fakes
from moto_server import Moto
from openbao import OpenBao
from process import Failed, Missing, exit_missing
from tokens import Kryoptic, SoftHsm, Token

STORES = {}


def store(kind):
    """Registers a function from what a server says of itself to (settings, address of key 0, address of key 1)."""
    def register(function):
        STORES[function.__name__.replace("_", "-")] = (kind, function)
        return function
    return register


@store(fakes.GcpKms)
def gcp(facts):
    settings = {"provider": "gcp", "endpoint": facts["addr"], "credentials_file": facts["credentials"]}
    return settings, f"gcp:{facts['key']}", f"gcp:{facts['other_key']}"


def azure_settings(facts):
    return {"provider": "azure", "vault_url": facts["addr"], "authority_host": facts["authority"], "tenant_id": facts["tenant"],
            "client_id": facts["client_id"], "client_secret": facts["client_secret"]}


@store(fakes.AzureFake)
def azure_vault(facts):
    return azure_settings(facts), f"azure:{facts['key']}", f"azure:{facts['other_key']}"


@store(fakes.AzureFake)
def azure_hsm(facts):
    return azure_settings(facts), f"azure:{facts['hsm_key']}", f"azure:{facts['other_hsm_key']}"


def vault(facts, **more):
    settings = {"provider": "vault", **more}
    return settings, f"vault:{facts['mount']}/keys/{facts['key']}", f"vault:{facts['mount']}/keys/{facts['chacha_key']}"


@store(OpenBao)
def vault_token(facts):
    return vault(facts, address=facts["addr"], token=facts["token"])


@store(OpenBao)
def vault_nodes(facts):
    """Two addresses, so that failover is in the stack."""
    return vault(facts, address=facts["addr"], standby_addresses=[facts["tls_addr"]], tls={"ca_cert": facts["ca"]},
                 token=facts["token"])


@store(OpenBao)
def vault_approle(facts):
    return vault(facts, address=facts["tls_addr"], tls={"ca_cert": facts["ca"], "min_version": "1.3"}, role_id=facts["role_id"],
                 secret_id=facts["secret_id"])


@store(OpenBao)
def vault_cert(facts):
    tls = {"ca_cert": facts["ca"], "client_cert": facts["client_cert"], "client_key": facts["client_key"]}
    return vault(facts, address=facts["mtls_addr"], tls=tls, auth_role=facts["role"])


@store(OpenBao)
def vault_jwt(facts):
    return vault(facts, address=facts["addr"], auth_role=facts["role"], jwt_file=facts["jwt_file"])


@store(OpenBao)
def vault_kubernetes(facts):
    return vault(facts, address=facts["addr"], auth_method="kubernetes", auth_role=facts["role"],
                 jwt_file=facts["kubernetes_jwt_file"])


def aws(facts, **more):
    settings = {"provider": "aws", "endpoint": facts["addr"], "sts_endpoint": facts["addr"], "region": facts["region"],
                "access_key_id": facts["access_key_id"], "secret_access_key": facts["secret_access_key"], **more}
    return settings, f"aws:{facts['key_arn']}", f"aws:{facts['other_key_arn']}"


@store(Moto)
def aws_key(facts):
    return aws(facts)


@store(Moto)
def aws_role(facts):
    """By way of a role, with a context of the store's own."""
    return aws(facts, role_arn=facts["role_arn"], external_id=facts["external_id"],
               encryption_context=["store=contract", "equals=a=b"])


@store(Moto)
def aws_alias(facts):
    return aws(facts)[0], f"aws:{facts['alias']}", f"aws:{facts['other_alias']}"


def token(server, *usage):
    """A second key, and both with the configured PIN. Key wrap where the keys may do nothing else."""
    facts, names = server.describe(), ("first", "second")
    for number, name in enumerate(names):
        server.tool("--keygen", "--key-type", "AES:32", "--label", name, "--id", f"{number + 1:02}", "--sensitive", *usage)
    settings = {"provider": "pkcs11", "module": facts["module"], "pin": facts["pin"]}
    return settings, *(f"pkcs11:token={facts['token']};object={name}" for name in names)


@store(SoftHsm)
def softhsm_gcm(server):
    return token(server, "--usage-decrypt")


@store(SoftHsm)
def softhsm_keywrap(server):
    return token(server, "--usage-wrap")


@store(SoftHsm)
def softhsm_made(server):
    """Keys that are not there yet: the program makes them."""
    settings, *_ = token(server, "--usage-decrypt")
    return settings, "pkcs11:object=made;token=bulla", "pkcs11:object=other;token=bulla"


@store(Kryoptic)
def kryoptic_gcm(server):
    return token(server, "--usage-decrypt")


@store(Kryoptic)
def kryoptic_keywrap(server):
    return token(server, "--usage-wrap")


def quoted(text):
    return "'" + text.replace("'", "''").replace("$", "$$") + "'"


def line(key, value, indent):
    if isinstance(value, dict):
        return f"{indent}{key}:\n{lines(value, indent + '  ')}"
    if isinstance(value, list):
        return f"{indent}{key}:\n" + "".join(f"{indent}  - {quoted(item)}\n" for item in value)
    return f"{indent}{key}: {quoted(value)}\n"


def lines(settings, indent):
    return "".join(line(key, value, indent) for key, value in settings.items())


def main(name, *command):
    kind, function = STORES[name]
    with kind() as server, tempfile.TemporaryDirectory(prefix="bulla-contract-") as folder:
        settings, first, second = function(server if isinstance(server, Token) else server.describe())
        path = Path(folder) / "bulla.yaml"
        path.touch(mode=0o600)
        path.write_text("kms:\n  main:\n" + lines(settings, "    "))
        seen = {"BULLA_CONTRACT_CONFIG": str(path), "BULLA_CONTRACT_KEY_0": first, "BULLA_CONTRACT_KEY_1": second,
                "BULLA_CONTRACT_CREATE": "1" if name.endswith("-made") else ""}
        return subprocess.run(command, env={**os.environ, **server.variables(), **seen}, check=False).returncode


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in STORES:
        sys.exit(f"{__doc__}\nstores: {', '.join(STORES)}")
    try:
        sys.exit(main(*sys.argv[1:]))
    except Missing as reason:
        exit_missing(reason)
    except Failed as reason:
        sys.exit(f"contract.py: {reason}")
