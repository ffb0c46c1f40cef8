"""Service accounts: a default one in every namespace, and the tokens that Secrets ask for.

Source: k8s.io/kubernetes/pkg/controller/serviceaccount, serviceaccounts_controller.go and tokens_controller.go.
"""

from __future__ import annotations

import base64

from maru.components.workloads.controllers.batches import is_namespace_going
from maru.components.workloads.controllers.kit import Controller, Kit
from maru.components.workloads.model.values import Place, annotations_of, place_of, uid_of
from maru.core.client import DeleteOptions
from maru.core.document import Document, Value
from maru.core.errors import AlreadyExists, Denied, MaruError, NotFound
from maru.kinds.pod_state import is_deleting
from maru.kinds.resources import CONFIGMAPS, NAMESPACES, SECRETS, SERVICEACCOUNTS

DEFAULT_NAME = "default"
TOKEN_TYPE = "kubernetes.io/service-account-token"  # noqa: S105 - the name of a type
ACCOUNT_NAME = "kubernetes.io/service-account.name"
ACCOUNT_UID = "kubernetes.io/service-account.uid"
ROOT_CA = "kube-root-ca.crt"
TOKEN_LIFE_S = 100 * 365 * 24 * 3600  # such a token ends with its Secret, not with time


class ServiceAccounts(Controller):
    """Every active namespace has its default account."""

    name = "service-account-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._namespaces = self.watch_own(NAMESPACES)
        self._accounts = self.watch(SERVICEACCOUNTS, lambda document: [("", document.key.namespace)])

    async def bring_right(self, place: Place) -> float | None:
        _, namespace = place
        document = self._namespaces.get("", namespace)
        if document is None or is_deleting(document.head) or self._accounts.get(namespace, DEFAULT_NAME) is not None:
            return None
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": DEFAULT_NAME, "namespace": namespace},
        }
        try:
            await self.client.create(SERVICEACCOUNTS, account)
        except AlreadyExists:
            return None
        except MaruError as error:
            if not is_namespace_going(error):
                raise
        return None


class ServiceAccountTokens(Controller):
    """Secrets of the token type are filled in, and go with their account."""

    name = "service-account-tokens-controller"

    def __init__(self, kit: Kit) -> None:
        super().__init__(kit)
        self._secrets = self.watch(SECRETS, _token_secrets)
        self._accounts = self.watch(SERVICEACCOUNTS, self._secrets_of_account)
        self._configmaps = self.informer(CONFIGMAPS)

    def _secrets_of_account(self, document: Document) -> list[Place]:
        return [
            place_of(each.head)
            for each in self._secrets.list(document.key.namespace)
            if each.value.get("type") == TOKEN_TYPE and annotations_of(each.head).get(ACCOUNT_NAME) == document.key.name
        ]

    async def bring_right(self, place: Place) -> float | None:
        document = self._secrets.get(*place)
        if document is None or document.value.get("type") != TOKEN_TYPE or is_deleting(document.head):
            return None
        secret = document.value
        namespace, name = place
        account_name = annotations_of(secret).get(ACCOUNT_NAME, "")
        account = await self._account(namespace, account_name)
        wanted_uid = annotations_of(secret).get(ACCOUNT_UID)
        if account is None or wanted_uid not in (None, uid_of(account)):
            await self._delete(secret)
            return None
        certificate = self._configmaps.get(namespace, ROOT_CA)
        authority = certificate.value.get("data", {}).get("ca.crt", "") if certificate is not None else ""
        have = secret.get("data") or {}
        filled: dict[str, str] = {}
        if not have.get("namespace"):
            filled["namespace"] = _encoded(namespace)
        if authority and have.get("ca.crt") != _encoded(authority):
            filled["ca.crt"] = _encoded(authority)
        if not have.get("token"):
            filled["token"] = _encoded(await self._token(secret, account_name))
        if not filled and wanted_uid is not None:
            return None
        patch: Value = {"metadata": {"uid": uid_of(secret), "annotations": {ACCOUNT_UID: uid_of(account)}}}
        if filled:
            patch["data"] = filled
        await self.client.patch(SECRETS, namespace, name, patch)
        return None

    async def _account(self, namespace: str, name: str) -> Value | None:
        document = self._accounts.get(namespace, name)
        if document is not None:
            return document.value
        try:
            return await self.client.get(SERVICEACCOUNTS, namespace, name)
        except NotFound:
            return None

    async def _token(self, secret: Value, account: str) -> str:
        namespace, name = place_of(secret)
        request: Value = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "audiences": [],
                "expirationSeconds": TOKEN_LIFE_S,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Secret", "name": name, "uid": uid_of(secret)},
            },
        }
        answer = await self.client.post(SERVICEACCOUNTS, namespace, account, "token", request)
        token = answer.get("status", {}).get("token")
        if not token:
            raise Denied(what=f"token for {namespace}/{account}", why="the API server gave none")
        return str(token)

    async def _delete(self, secret: Value) -> None:
        namespace, name = place_of(secret)
        try:
            await self.client.delete(SECRETS, namespace, name, DeleteOptions(uid=uid_of(secret)))
        except NotFound:
            return


def _token_secrets(document: Document) -> list[Place]:
    return [place_of(document.head)] if document.value.get("type") == TOKEN_TYPE else []


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
