# SPDX-License-Identifier: Apache-2.0
"""moto_server with three things as AWS has them: where a name in an encryption context ends and its value begins is bound
too, the refusal of a ciphertext that names a key out of reach has its message, and a disabled key makes no data keys."""
import json
import struct
import sys

from moto.kms import exceptions, models, utils
from moto.server import main


def serialize(encryption_context):
    parts = [part.encode() for pair in sorted(encryption_context.items()) for part in pair]
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def access_denied(self, message):
    super(exceptions.AccessDeniedException, self).__init__("AccessDeniedException", message)
    self.description = json.dumps({"__type": "AccessDeniedException", "message": message})


class DisabledException(exceptions.JsonRESTError):
    code = 400

    def __init__(self, arn):
        super().__init__("DisabledException", f"{arn} is disabled.")
        self.description = json.dumps({"__type": "DisabledException", "message": f"{arn} is disabled."})


def refused_when_disabled(operation):
    def wrapper(self, key_id, *arguments, **named):
        key = self.keys.get(self.any_id_to_key_id(key_id))
        if key is not None and key.key_state == "Disabled":
            raise DisabledException(key.arn)
        return operation(self, key_id, *arguments, **named)
    return wrapper


utils._serialize_encryption_context = serialize
exceptions.AccessDeniedException.__init__ = access_denied
for name in ("encrypt", "generate_data_key"):
    setattr(models.KmsBackend, name, refused_when_disabled(getattr(models.KmsBackend, name)))

if __name__ == "__main__":
    main(sys.argv[1:])
