"""AWS KMS as another service sees it, in memory: passes the suite of the real one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from maru.contracts.aws_access import AwsCaller, Circumstances
from maru.contracts.aws_keys import DataKey
from maru.core.errors import Conflict, Denied, Invalid, NotFound


class FakeAwsKeys:
    """keys: ARNs by what they are named (ID, alias, ARN); denied: ARNs of callers; disabled: ARNs of keys."""

    def __init__(self, account: str = "123456789012", region: str = "us-east-1") -> None:
        self.arn = f"arn:aws:kms:{region}:{account}:key/11111111-2222-3333-4444-555555555555"
        self.keys = dict.fromkeys((self.arn, self.arn[-36:], "alias/fake", "alias/aws/s3"), self.arn)
        self.denied: set[str] = set()
        self.disabled: set[str] = set()
        self._cipher = AESGCM(secrets.token_bytes(32))

    async def generate_data_key(
        self, caller: AwsCaller, circumstances: Circumstances, key: str, context: Mapping[str, str]
    ) -> DataKey:
        if key not in self.keys:
            raise NotFound(what=f"Alias {key} is not found.", why="", code="NotFoundException")
        arn = self.keys[key]
        self._check(caller, arn)
        plain, nonce = secrets.token_bytes(32), secrets.token_bytes(12)
        return DataKey(plain, nonce + self._cipher.encrypt(nonce, plain, _bytes(context)), arn)

    async def decrypt(
        self, caller: AwsCaller, circumstances: Circumstances, sealed: bytes, context: Mapping[str, str]
    ) -> bytes:
        self._check(caller, self.arn)
        try:
            return self._cipher.decrypt(sealed[:12], sealed[12:], _bytes(context))
        except (InvalidTag, ValueError) as error:
            raise Invalid(what="", why="", code="InvalidCiphertextException") from error

    def _check(self, caller: AwsCaller, arn: str) -> None:
        if caller.arn in self.denied:
            raise Denied(what=f"User: {caller.arn} is not authorized", why="", code="AccessDeniedException")
        if arn in self.disabled:
            raise Conflict(what=f"{arn} is disabled.", why="", code="DisabledException")


def _bytes(context: Mapping[str, str]) -> bytes:
    return msgspec.json.encode(sorted(context.items()))
