"""Material that is open: unsealed once, then in memory for every further use.

A material is sealed under the root key with the account, the key and its own ID as context, so that a
sealed one moved elsewhere does not open. Related multi-Region keys share it.
"""

from __future__ import annotations

import base64
from collections import OrderedDict
from dataclasses import dataclass

from maru.components.aws_kms.engine.pairs import Private, open_private
from maru.components.aws_kms.engine.symmetric import material_id
from maru.components.aws_kms.model.ciphertext import head_of
from maru.components.aws_kms.model.documents import Key, MaterialFields
from maru.contracts.sealer import Sealer
from maru.core.errors import Broken


@dataclass(frozen=True, slots=True)
class Material:
    """secret: the bytes of a symmetric or HMAC key, or PKCS #8; pair: of a key pair; head: of its ciphertexts."""

    id: str
    secret: bytes
    head: bytes
    pair: Private | None = None


class Materials:
    """Opens sealed materials; the last `open_max` used stay open."""

    def __init__(self, sealer: Sealer, open_max: int) -> None:
        self._sealer = sealer
        self._open_max = open_max
        self._open: OrderedDict[str, Material] = OrderedDict()  # by sealed form: a change of it is another entry

    def of(self, key: Key, fields: MaterialFields) -> Material:
        """The material of `key`, which must not be away. Raises Broken if it cannot be opened."""
        found = self._open.get(fields.sealed)
        if found is not None:
            self._open.move_to_end(fields.sealed)
            return found
        secret = self._sealer.open(base64.b64decode(fields.sealed), _context(key.account, key.fields.key_id, fields.id))
        pair = None
        if key.spec.is_pair:
            pair = open_private(secret, key.spec.name)
            if pair is None:
                raise Broken(what=key.arn, why=f"its material is no {key.spec.name}", fix="restore it from a backup")
        opened = Material(fields.id, secret, head_of(key.fields.key_id, fields.id), pair)
        self._open[fields.sealed] = opened
        if len(self._open) > self._open_max:
            self._open.popitem(last=False)
        return opened

    def seal(self, account: str, key_id: str, secret: bytes) -> tuple[str, str]:
        """The material's ID and its sealed form in base64."""
        name = material_id(key_id, secret)
        return name, base64.b64encode(self._sealer.seal(secret, _context(account, key_id, name))).decode()


def _context(account: str, key_id: str, name: str) -> bytes:
    return f"kms/{account}/{key_id}/{name}".encode()
