"""What a URL path asks for: a resource, a subresource, or something outside of the API.

Pure. `/api` is the core group, `/apis/GROUP` the others; `namespaces/NAME/PLURAL/...` is inside of a
namespace; the old `/watch/` prefix means a watch. Source: k8s.io/apiserver/pkg/endpoints/request,
RequestInfoFactory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_VERBS: Mapping[str, str] = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_OF_A_NAMESPACE = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked for. plural is empty outside of resources; rest: what follows the subresource (proxy paths)."""

    path: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    plural: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""
    watch: bool = False

    @property
    def is_resource(self) -> bool:
        return bool(self.plural)


def parse(path: str) -> Target:
    """Read `path` (percent-decoded)."""
    parts = list(path.strip("/").split("/"))
    if parts[0] == "api" and len(parts) >= 3:
        return _resource(path, "", parts[1], parts[2:])
    if parts[0] == "apis" and len(parts) >= 4:
        return _resource(path, parts[1], parts[2], parts[3:])
    return Target(path)


def verb_of(method: str, target: Target, *, watch: bool) -> str:
    """The verb as RBAC knows it; empty if the method means nothing here. watch: the query asks for one."""
    verb = _VERBS.get(method, "")
    if not target.is_resource:
        return method.lower()
    if verb == "get" and not target.name:
        return "watch" if watch or target.watch else "list"
    if verb == "get" and target.watch:
        return "watch"
    if verb == "delete" and not target.name:
        return "deletecollection"
    return verb


def _resource(path: str, group: str, version: str, parts: list[str]) -> Target:
    watch = False
    if parts[0] == "watch" and len(parts) > 1:
        watch, parts = True, parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _OF_A_NAMESPACE:
            parts = parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    subresource = parts[2] if len(parts) > 2 else ""
    rest = "/".join(parts[3:])
    if len(parts) > 3 and path.endswith("/"):
        rest += "/"
    return Target(path, group, version, namespace, parts[0], name, subresource, rest, watch)
