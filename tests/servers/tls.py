#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes certificates for tests: an authority, good ones, and every kind that must be refused.

    tls.py FOLDER

Each is NAME.crt with NAME.key, made anew for every run and good for two days:

    ca           the authority                       other-ca   an authority that nobody trusts
    server       localhost, 127.0.0.1, ::1           client     CN bulla-client, for client authentication
    wrong-host   other.example.test only             other-client   the same, signed by other-ca
    expired      ended a day ago                     self-signed    localhost, by itself
    early        begins in a day
"""
import datetime
import subprocess
import sys
from pathlib import Path

HOSTS = "DNS:localhost,IP:127.0.0.1,IP:::1"
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
KEY_USE = "keyUsage=critical,digitalSignature"


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)


def self_signed(folder, name, subject, *extensions):
    added = [word for extension in extensions for word in ("-addext", extension)]
    openssl("req", "-x509", *CURVE, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.crt", "-days", 2,
            "-subj", subject, *added)


# "openssl x509" of OpenSSL 3.0 can date no certificate, "openssl ca" can; it needs a configuration and a register.
CONFIG = """[ca]
default_ca = it
[it]
database = {folder}/{name}.register
new_certs_dir = {folder}
serial = {folder}/{name}.serial
default_md = sha256
policy = any
email_in_dn = no
unique_subject = no
copy_extensions = none
[any]
commonName = supplied
[extensions]
basicConstraints = critical,CA:false
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
keyUsage = critical,digitalSignature
extendedKeyUsage = {use}
subjectAltName = {hosts}
"""


def signed(folder, name, common_name, hosts=HOSTS, use="serverAuth", authority="ca", days=(-1, 2)):
    """days: from when to when it is good, counted from today."""
    config, request = folder / f"{name}.cnf", folder / f"{name}.csr"
    config.write_text(CONFIG.format(folder=folder, name=name, use=use, hosts=hosts))
    (folder / f"{name}.register").write_text("")
    openssl("rand", "-hex", "-out", folder / f"{name}.serial", 16)
    openssl("req", "-new", *CURVE, "-keyout", folder / f"{name}.key", "-out", request, "-subj", f"/CN={common_name}")
    openssl("ca", "-batch", "-notext", "-config", config, "-extensions", "extensions", "-in", request,
            "-out", folder / f"{name}.crt", "-cert", folder / f"{authority}.crt",
            "-keyfile", folder / f"{authority}.key", "-startdate", date(days[0]), "-enddate", date(days[1]))


def date(days):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return moment.strftime("%y%m%d%H%M%SZ")


def make(folder):
    """All of them; returns the folder."""
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ca", "other-ca"):
        self_signed(folder, name, f"/CN=Bulla test {name}", "basicConstraints=critical,CA:true",
                    "keyUsage=critical,keyCertSign,cRLSign")
    self_signed(folder, "self-signed", "/CN=localhost", f"subjectAltName={HOSTS}", KEY_USE,
                "extendedKeyUsage=serverAuth")
    signed(folder, "server", "localhost")
    signed(folder, "wrong-host", "other.example.test", hosts="DNS:other.example.test")
    signed(folder, "expired", "localhost", days=(-3, -1))
    signed(folder, "early", "localhost", days=(1, 2))
    signed(folder, "client", "bulla-client", hosts="DNS:bulla-client", use="clientAuth")
    signed(folder, "other-client", "bulla-client", hosts="DNS:bulla-client", use="clientAuth", authority="other-ca")
    return folder


def files(folder):
    """What a client needs of them, by the names under which the servers tell it."""
    names = {"ca": "ca.crt", "other_ca": "other-ca.crt"}
    for pair in ("client", "other_client"):
        for kind, ending in (("cert", "crt"), ("key", "key")):
            names[f"{pair}_{kind}"] = f"{pair.replace('_', '-')}.{ending}"
    return {name: str(folder / file) for name, file in names.items()}


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print(make(sys.argv[1]))
