"""Access keys. Source: IAM API reference, CreateAccessKey, UpdateAccessKey, GetAccessKeyLastUsed."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from maru.components.aws_iam.api.asks import Asker
from maru.components.aws_iam.api.book import Book
from maru.components.aws_iam.api.credentials import key_context
from maru.components.aws_iam.api.last_uses import LastUses
from maru.components.aws_iam.api.lookup import Lookup
from maru.components.aws_iam.api.pages import page
from maru.components.aws_iam.errors import limit_exceeded, no_such
from maru.components.aws_iam.model.documents import Key
from maru.components.aws_iam.model.identifiers import ACCESS_KEY, key_id, secret_key
from maru.contracts.aws_access import CallerKind
from maru.contracts.aws_service import AwsCall, AwsOperation, Members
from maru.core.document import Value

KEYS_MAX = 2


class AccessKeys:
    """See the module."""

    def __init__(self, book: Book, lookup: Lookup, asker: Asker, uses: LastUses) -> None:
        self._book = book
        self._lookup = lookup
        self._asker = asker
        self.uses = uses

    def operations(self) -> Mapping[str, AwsOperation]:
        """By name."""
        performs = {
            "CreateAccessKey": self.create,
            "UpdateAccessKey": self.update,
            "DeleteAccessKey": self.delete,
            "ListAccessKeys": self.list_all,
        }
        about = self._asker.about
        return {
            **{name: AwsOperation(perform, about(name, self._asker.user)) for name, perform in performs.items()},
            "GetAccessKeyLastUsed": AwsOperation(self.last_used, self._asker.alone("GetAccessKeyLastUsed")),
        }

    async def create(self, call: AwsCall) -> Members:
        owner = self._owner(call)
        if len(self.of(call.account, owner)) >= KEYS_MAX:
            raise limit_exceeded(f"Cannot exceed quota for AccessKeysPerUser: {KEYS_MAX}")
        key, secret = await make_key(self._book, call.account, owner)
        return {
            "AccessKey": {
                "UserName": owner or None,
                "AccessKeyId": key.fields.id,
                "Status": key.fields.status,
                "SecretAccessKey": secret,
                "CreateDate": key.created_at,
            }
        }

    async def update(self, call: AwsCall) -> Members:
        key = self._key(call)
        await self._book.keys.change(key, {"status": call.parameters["Status"]})
        return {}

    async def delete(self, call: AwsCall) -> Members:
        key = self._key(call)
        await self._book.keys.delete(key)
        await self.uses.forget(key.account, key.fields.id)
        return {}

    async def list_all(self, call: AwsCall) -> Members:
        entries = [
            {
                "UserName": key.fields.user or None,
                "AccessKeyId": key.fields.id,
                "Status": key.fields.status,
                "CreateDate": key.created_at,
            }
            for key in self.of(call.account, self._owner(call))
        ]
        return page("AccessKeyMetadata", entries, call)

    async def last_used(self, call: AwsCall) -> Members:
        wanted = call.parameters["AccessKeyId"]
        key = self._book.key(wanted)
        if key is None or key.account != call.account:
            raise no_such(f"The Access Key with id {wanted} cannot be found")
        used = self.uses.find(key.account, wanted)
        last: Members = {"ServiceName": "N/A", "Region": "N/A"}
        if used is not None:
            last = {"LastUsedDate": used.at, "ServiceName": used.service, "Region": used.region}
        return {"UserName": key.fields.user or None, "AccessKeyLastUsed": last}

    def of(self, account: str, user: str) -> list[Key]:
        """A user's keys ("" for the root's), oldest first."""
        keys = [key for key in self._book.keys.list(account) if key.fields.user.lower() == user.lower()]
        return sorted(keys, key=lambda key: (key.created_at, key.version))

    def _owner(self, call: AwsCall) -> str:
        if call.parameters.get("UserName") is None and call.caller.kind is CallerKind.ROOT:
            return ""
        return self._lookup.user(call).name

    def _key(self, call: AwsCall) -> Key:
        owner, wanted = self._owner(call), call.parameters["AccessKeyId"]
        for key in self.of(call.account, owner):
            if key.fields.id == wanted:
                return key
        raise no_such(f"The Access Key with id {wanted} cannot be found.")


async def make_key(book: Book, account: str, user: str) -> tuple[Key, str]:
    """A new key of `user` ("" for the root), and its secret, which is not told again."""
    ids = book.tools.ids
    identifier = key_id(ACCESS_KEY, account, ids.secret())
    secret = secret_key(ids.secret(30))
    sealed = base64.b64encode(book.tools.sealer.seal(secret.encode(), key_context(identifier))).decode()
    spec: Value = {"id": identifier, "sealed": sealed, "user": user, "status": "Active"}
    return await book.keys.create(account, identifier, spec), secret
