#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bulla and the AWS Encryption SDK for Python, both ways over every case of cases.json.

usage: esdk.py DRIVER   (in the environment that tools/interop-setup makes)
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import aws_encryption_sdk
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import (
    AesWrappingAlg, CreateMultiKeyringInput, CreateRawAesKeyringInput, CreateRawRsaKeyringInput, PaddingScheme)
from aws_encryption_sdk.identifiers import AlgorithmSuite

NAMESPACE = "bulla-interop"
SUITES = {"0x0478": AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY,
          "0x0578": AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384}
PADDINGS = {"sha1": PaddingScheme.OAEP_SHA1_MGF1, "sha256": PaddingScheme.OAEP_SHA256_MGF1,
            "sha512": PaddingScheme.OAEP_SHA512_MGF1}


class Keys:
    """The same keys as addresses for Bulla and as keyrings for the SDK."""

    def __init__(self, folder):
        self.mpl = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
        self.folder = folder
        os.umask(0o077)
        for name in ("aes", "aes2"):
            (folder / name).write_bytes(os.urandom(32))
        subprocess.run(["openssl", "genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048",
                        "-out", folder / "rsa"], check=True)
        public = subprocess.run(["openssl", "pkey", "-in", folder / "rsa", "-pubout"], check=True, capture_output=True)
        self.public = public.stdout

    @staticmethod
    def split(key):
        kind, _, digest = key.partition("-")
        return kind, digest or "sha256"

    def address(self, key):
        kind, digest = self.split(key)
        scheme, padding = ("rsa", f"&padding=oaep-{digest}") if kind == "rsa" else ("file", "")
        return f"{scheme}:{self.folder / kind}?namespace={NAMESPACE}&name={kind}{padding}"

    def keyring(self, key):
        kind, digest = self.split(key)
        if kind == "rsa":
            return self.mpl.create_raw_rsa_keyring(CreateRawRsaKeyringInput(
                key_namespace=NAMESPACE, key_name=kind, padding_scheme=PADDINGS[digest],
                public_key=self.public, private_key=(self.folder / "rsa").read_bytes()))
        return self.mpl.create_raw_aes_keyring(CreateRawAesKeyringInput(
            key_namespace=NAMESPACE, key_name=kind, wrapping_key=(self.folder / kind).read_bytes(),
            wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16))

    def keyring_of_all(self, keys):
        rings = [self.keyring(key) for key in keys]
        return self.mpl.create_multi_keyring(CreateMultiKeyringInput(generator=rings[0], child_keyrings=rings[1:]))


def context_of(case):
    return {f"key {i}": f"värde {i}" for i in range(case["context"])}


def driver(program, *arguments):
    subprocess.run([program, *map(str, arguments)], check=True)


def run_case(program, client, keys, case, work):
    plain, sealed, back = work / "plain", work / "sealed", work / "back"
    context = context_of(case)
    pairs = [f"{key}={value}" for key, value in context.items()]
    addresses = [keys.address(key) for key in case["keys"]]
    plaintext = plain.read_bytes()[:case["size"]]
    (work / "part").write_bytes(plaintext)

    # Ours, opened by theirs, with each key alone.
    driver(program, "encrypt", work / "part", sealed, case["suite"], case["frame"], *pairs, "--", *addresses)
    for key in case["keys"]:
        with client.stream(mode="d", source=sealed.open("rb"), keyring=keys.keyring(key),
                           encryption_context=context) as stream:
            opened = stream.read()
        assert opened == plaintext, "the SDK opens something else"
        assert context.items() <= stream.header.encryption_context.items(), "the context is another"

    # Theirs, opened by ours, with each key alone. This SDK writes frames of multiples of 128 bytes only.
    with client.stream(mode="e", source=plaintext, keyring=keys.keyring_of_all(case["keys"]),
                       algorithm=SUITES[case["suite"]], frame_length=-(-case["frame"] // 128) * 128,
                       encryption_context=context) as stream:
        sealed.write_bytes(stream.read())
    for address in addresses:
        driver(program, "decrypt", sealed, back, *pairs, "--", address)
        assert back.read_bytes() == plaintext, "Bulla opens something else"


def main():
    program = sys.argv[1]
    cases = json.loads((pathlib.Path(__file__).parent / "cases.json").read_text(encoding="utf-8"))
    client = aws_encryption_sdk.EncryptionSDKClient()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        keys = Keys(work)
        (work / "plain").write_bytes(os.urandom(max(case["size"] for case in cases)))
        for case in cases:
            run_case(program, client, keys, case, work)
            print(f"ok: {case['name']}", flush=True)
    print(f"{len(cases)} cases both ways with aws-encryption-sdk {aws_encryption_sdk.__version__} (Python)")


if __name__ == "__main__":
    main()
