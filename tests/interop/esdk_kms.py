#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bulla's aws: keys and the AWS KMS keyring of the AWS Encryption SDK for Python, both ways, through one KMS.

usage: tests/servers/run.py moto -- PYTHON esdk_kms.py BULLA     (PYTHON: of the environment that tools/interop-setup makes)
"""
import logging
import os
import pathlib
import subprocess
import sys
import tempfile

import aws_encryption_sdk
import boto3
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import CreateAwsKmsKeyringInput
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.identifiers import AlgorithmSuite

FACTS = {name.removeprefix("BULLA_MOTO_").lower(): value for name, value in os.environ.items() if name.startswith("BULLA_MOTO_")}
ARN, OTHER_ARN = FACTS["key_arn"], FACTS["other_key_arn"]
CREDENTIALS = {"AWS_ACCESS_KEY_ID": FACTS["access_key_id"], "AWS_SECRET_ACCESS_KEY": FACTS["secret_access_key"],
               "AWS_REGION": FACTS["region"], "AWS_ENDPOINT_URL": FACTS["addr"]}
CASES = [(context, is_signed) for context in ({}, {"tenant": "acme", "zweck": "Vertr\u00e4ge", "a": "\"\\b"}) for is_signed in (False, True)]
SUITES = {False: AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY,
          True: AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384}


def keyring(arn):
    kms = boto3.client("kms", endpoint_url=FACTS["addr"], region_name=FACTS["region"],
                       aws_access_key_id=FACTS["access_key_id"], aws_secret_access_key=FACTS["secret_access_key"])
    mpl = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
    return mpl.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=arn, kms_client=kms))


def bulla(program, work, *arguments):
    env = {**os.environ, **CREDENTIALS, "HOME": str(work), "BULLA_CONFIG": str(work / "bulla.yaml")}
    return subprocess.run([program, *map(str, arguments)], env=env, check=False, capture_output=True).returncode


def run_case(program, client, work, context, is_signed):
    plaintext = os.urandom(100_000)
    plain, sealed, back = work / "plain", work / "sealed", work / "back"
    plain.write_bytes(plaintext)
    pairs = [option for key, value in context.items() for option in ("--context", f"{key}={value}")]
    sign = ["--sign"] if is_signed else []

    # Ours, opened by theirs.
    assert bulla(program, work, "encrypt", "-f", *sign, *pairs, "-r", f"aws:{ARN}", "-o", sealed, plain) == 0, "Bulla encrypts"
    opened, header = client.decrypt(source=sealed.read_bytes(), keyring=keyring(ARN))
    assert opened == plaintext, "the SDK opens something else"
    assert context.items() <= header.encryption_context.items(), "the context is another"
    try:
        client.decrypt(source=sealed.read_bytes(), keyring=keyring(OTHER_ARN))
        raise AssertionError("the SDK opens it with another key")
    except AWSEncryptionSDKClientError:
        pass

    # Theirs, opened by ours: by the key's ARN and by an alias of it.
    message, _ = client.encrypt(source=plaintext, keyring=keyring(ARN), algorithm=SUITES[is_signed], encryption_context=context)
    sealed.write_bytes(message)
    for address in (f"aws:{ARN}", f"aws:{FACTS['alias']}"):
        assert bulla(program, work, "decrypt", "-f", "-r", address, "-o", back, sealed) == 0, "Bulla does not open it"
        assert back.read_bytes() == plaintext, "Bulla opens something else"
    assert bulla(program, work, "decrypt", "-f", "-r", f"aws:{OTHER_ARN}", "-o", back, sealed) != 0, "another key opens it"


def main():
    logging.disable()  # the SDK tells of each refusal that is wanted here
    client = aws_encryption_sdk.EncryptionSDKClient()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        (work / "bulla.yaml").touch(mode=0o600)
        for context, is_signed in CASES:
            run_case(sys.argv[1], client, work, context, is_signed)
            print(f"ok: {len(context)} pairs, {'signed' if is_signed else 'not signed'}", flush=True)
    print(f"{len(CASES)} cases both ways with the AWS KMS keyring of aws-encryption-sdk {aws_encryption_sdk.__version__} (Python)")


if __name__ == "__main__":
    main()
