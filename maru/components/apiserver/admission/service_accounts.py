"""ServiceAccount: every Pod runs as one, and has its token mounted.

Source: k8s.io/kubernetes/plugin/pkg/admission/serviceaccount.
"""

from __future__ import annotations

from maru.components.apiserver.admission.review import CREATE, UPDATE, Review, Rule
from maru.components.apiserver.errors import denied
from maru.core.document import Document, Resource, Value, key_of
from maru.core.ids import Ids
from maru.core.store.interface import Store
from maru.kinds.resources import PODS, SERVICEACCOUNTS

DEFAULT_NAME = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_LIFE_S = 3607  # the real server's: an hour and a little, so that it is renewed by the kubelet's rule
MODE = 0o644
_MIRROR = "kubernetes.io/config.mirror"


class ServiceAccounts(Rule):
    """Sets the account, its image pull secrets, and the projected token volume."""

    name = "ServiceAccount"

    def __init__(self, store: Store, ids: Ids) -> None:
        self._store = store
        self._ids = ids

    def covers(self, operation: str, resource: Resource, subresource: str) -> bool:
        """Creates of Pods, and new ephemeral containers."""
        if resource.storage != PODS.storage:
            return False
        return (operation == CREATE and not subresource) or (
            operation == UPDATE and subresource == "ephemeralcontainers"
        )

    async def admit(self, review: Review) -> None:
        """Raises Denied if the account is not there."""
        pod = review.value
        assert pod is not None
        if review.operation != CREATE:
            return
        spec = pod["spec"]
        if _MIRROR in (pod["metadata"].get("annotations") or {}):
            return
        name = spec.get("serviceAccountName") or DEFAULT_NAME
        spec["serviceAccountName"] = name
        spec["serviceAccount"] = name
        account = self._store.get(key_of(SERVICEACCOUNTS, review.namespace, name))
        if account is None:
            raise denied(
                PODS,
                review.name,
                f'error looking up service account {review.namespace}/{name}: serviceaccounts "{name}" not found',
            )
        if _wants_token(spec, account):
            self._mount(spec)
        if not spec.get("imagePullSecrets") and account.value.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(one) for one in account.value["imagePullSecrets"]]

    def _mount(self, spec: Value) -> None:
        volumes = spec.setdefault("volumes", []) or []
        spec["volumes"] = volumes
        existing = next((one["name"] for one in volumes if str(one.get("name", "")).startswith(VOLUME_PREFIX)), "")
        name = existing or VOLUME_PREFIX + self._ids.suffix()
        is_used = False
        for field in ("initContainers", "containers"):
            for container in spec.get(field) or ():
                mounts = container.get("volumeMounts") or []
                if any(one.get("mountPath") == MOUNT_PATH for one in mounts):
                    continue
                container["volumeMounts"] = [*mounts, {"name": name, "readOnly": True, "mountPath": MOUNT_PATH}]
                is_used = True
        if is_used and not existing:
            volumes.append(_volume(name))
        if not volumes:
            del spec["volumes"]


def _wants_token(spec: Value, account: Document) -> bool:
    own = spec.get("automountServiceAccountToken")
    if own is not None:
        return bool(own)
    return account.value.get("automountServiceAccountToken") is not False


def _volume(name: str) -> Value:
    return {
        "name": name,
        "projected": {
            "sources": [
                {"serviceAccountToken": {"expirationSeconds": TOKEN_LIFE_S, "path": "token"}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {
                    "downwardAPI": {
                        "items": [
                            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}
                        ]
                    }
                },
            ],
            "defaultMode": MODE,
        },
    }
