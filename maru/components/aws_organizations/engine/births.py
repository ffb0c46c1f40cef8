"""How an account comes into being: a number, a namespace for its documents, then its own document.

The namespace comes first, so that an account that is there can hold things. Its role is made by whoever keeps
roles; CreateAccount waits a little for it, so that the first AssumeRole after it finds one.
"""

from __future__ import annotations

from maru.components.aws_organizations.engine.tree import Tree
from maru.components.aws_organizations.quirks import FIRST_EMAIL, FIRST_NAME
from maru.core.client import Client
from maru.core.document import Value
from maru.core.errors import AlreadyExists
from maru.kinds.aws import ROOT_ACCOUNT, namespace_of
from maru.kinds.resources import NAMESPACES

_DIGITS = 12
_POLL_S = 0.02


class Births:
    """See the module. role_wait_s: how long to wait for a role."""

    def __init__(self, tree: Tree, client: Client, role_wait_s: float) -> None:
        self._tree = tree
        self._client = client
        self._role_wait_s = role_wait_s

    async def ensure_first(self) -> None:
        """The account that a platform begins with."""
        await self.ensure_namespace(ROOT_ACCOUNT)
        if self._tree.account(ROOT_ACCOUNT) is None:
            await self._put(ROOT_ACCOUNT, {"name": FIRST_NAME, "email": FIRST_EMAIL})

    async def ensure_namespace(self, account: str) -> None:
        """The namespace of an account's documents."""
        metadata = {"name": namespace_of(account), "labels": {"aws.maru.dev/account": account}}
        try:
            await self._client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        except AlreadyExists:
            return

    async def bear(self, spec: Value) -> str:
        """A new account with `spec`, and its number of 12 digits."""
        while True:
            account = str(int(self._tree.ids.uid().replace("-", ""), 16))[-_DIGITS:]
            if account.startswith("0") or self._tree.account(account) is not None:
                continue
            await self.ensure_namespace(account)
            await self._put(account, {**spec, "joinedAt": self._tree.stamp()})
            return account

    async def wait_role(self, account: str) -> None:
        """Return once the role is there, or the time is over."""
        until_s = self._tree.clock.monotonic_s() + self._role_wait_s
        while self._tree.clock.monotonic_s() < until_s:
            known = self._tree.account(account)
            if known is None or known.has_role or not known.fields.role_name:
                return
            await self._tree.clock.sleep(_POLL_S)

    async def _put(self, account: str, spec: Value) -> None:
        fields = {"id": account, "createdAt": self._tree.stamp(), **spec}
        await self._tree.shelves.accounts.create({"metadata": {"name": account}, "spec": fields})
