"""The operations of the API as OpenAPI path items, for v3 and v2.

Source: the operations and parameters that the Kubernetes 1.36 API reference lists.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from maru.wire.k8s.schema import META, ResourceInfo, SubresourceInfo, Value

Names = Mapping[tuple[str, str, str], str]

_JSON = "application/json"
_BODIES = (_JSON, "application/yaml", "application/vnd.kubernetes.protobuf")
_PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_STRING, _INTEGER, _BOOLEAN = "string", "integer", "boolean"
_Row = tuple[str, str, str]  # name, type, description of a parameter
_Verb = tuple[str, str, str, tuple[_Row, ...]]  # HTTP method, action, operationId prefix, query parameters
_DRY_RUN: _Row = ("dryRun", _STRING, "All: process the request without persisting it.")
_MANAGER = ("fieldManager", _STRING, "The name of the actor that makes the changes.")
_VALIDATION = ("fieldValidation", _STRING, "What to do with unknown or duplicate fields: Ignore, Warn or Strict.")
_FORCE = ("force", _BOOLEAN, "Take fields from other owners (apply patches only).")
_PRETTY = ("pretty", _STRING, "If true, the answer is indented.")
_WRITE = (_DRY_RUN, _MANAGER, _VALIDATION)
_LIST = (
    ("allowWatchBookmarks", _BOOLEAN, "Ask for bookmark events in a watch."),
    ("continue", _STRING, "The token a previous page ended with."),
    ("fieldSelector", _STRING, "Restrict the documents by their fields."),
    ("labelSelector", _STRING, "Restrict the documents by their labels."),
    ("limit", _INTEGER, "The most documents one page may hold."),
    ("resourceVersion", _STRING, "The version the answer must be at least as new as."),
    ("resourceVersionMatch", _STRING, "How resourceVersion applies to a list."),
    ("sendInitialEvents", _BOOLEAN, "Begin a watch with the present documents."),
    ("timeoutSeconds", _INTEGER, "How long the call may take."),
    ("watch", _BOOLEAN, "Watch for changes instead of listing."),
)
_DELETE = (
    _DRY_RUN,
    ("gracePeriodSeconds", _INTEGER, "Seconds before the document is deleted."),
    ("propagationPolicy", _STRING, "Orphan, Background or Foreground."),
)
# verb of discovery -> (HTTP method, x-kubernetes-action, operationId prefix, query parameters)
_ON_ONE: dict[str, _Verb] = {
    "get": ("get", "get", "read", ()),
    "update": ("put", "put", "replace", _WRITE),
    "patch": ("patch", "patch", "patch", (*_WRITE, _FORCE)),
    "delete": ("delete", "delete", "delete", _DELETE),
    "create": ("post", "post", "create", _WRITE),
}
_ON_ALL: dict[str, _Verb] = {
    "list": ("get", "list", "list", _LIST),
    "create": ("post", "post", "create", _WRITE),
    "deletecollection": ("delete", "deletecollection", "deleteCollection", (*_DELETE, *_LIST)),
}
_CONNECTS = frozenset({"attach", "exec", "portforward", "proxy"})
_CONNECT_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")


def paths_of(
    resources: Sequence[ResourceInfo], names: Names, *, version: int, custom: Collection[tuple[str, str, str]] = ()
) -> dict[str, Value]:
    """Every path of the resources. names: component names by kind; version: 3 or 2.

    custom: kinds that take no strategic merge patch; clients choose the kind of patch by what stands here.
    """
    prefix = "#/components/schemas/" if version == 3 else "#/definitions/"
    writer = _PathWriter(names, prefix, custom)
    found: dict[str, Value] = {}
    for resource in resources:
        found |= writer.resource(resource)
    return dict(sorted(found.items()))


class _PathWriter:
    def __init__(self, names: Names, prefix: str, custom: Collection[tuple[str, str, str]]) -> None:
        self._names = names
        self._custom = custom
        self._prefix = prefix
        self._is_v3 = prefix.startswith("#/components")

    def resource(self, resource: ResourceInfo) -> dict[str, Value]:
        root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        base = f"{root}/namespaces/{{namespace}}" if resource.namespaced else root
        scope = "Namespaced" if resource.namespaced else ""
        tag = _tag(resource)
        found: dict[str, Value] = {}
        for verb, row in _ON_ALL.items():
            if verb in resource.verbs:
                item = self._item(found, f"{base}/{resource.plural}")
                item[row[0]] = self._operation(
                    row, f"{row[2]}{tag}{scope}{resource.kind}", self._bodies(resource, verb)
                )
        for verb, row in _ON_ONE.items():
            if verb in resource.verbs and verb != "create":
                item = self._item(found, f"{base}/{resource.plural}/{{name}}")
                item[row[0]] = self._operation(
                    row, f"{row[2]}{tag}{scope}{resource.kind}", self._bodies(resource, verb)
                )
        if resource.namespaced and "list" in resource.verbs:
            row = _ON_ALL["list"]
            item = self._item(found, f"{root}/{resource.plural}")
            item["get"] = self._operation(
                row, f"list{tag}{resource.kind}ForAllNamespaces", self._bodies(resource, "list")
            )
        for one in resource.subresources:
            found |= self._subresource(f"{base}/{resource.plural}/{{name}}/{one.name}", resource, one)
        return found

    def _subresource(self, path: str, resource: ResourceInfo, one: SubresourceInfo) -> dict[str, Value]:
        found: dict[str, Value] = {}
        scope = "Namespaced" if resource.namespaced else ""
        suffix = f"{_tag(resource)}{scope}{resource.kind}{one.name.capitalize()}"
        kind = (one.group, one.version, one.kind)
        if one.name in _CONNECTS:
            for target in (path, f"{path}/{{path}}") if one.path_suffix else (path,):
                item = self._item(found, target)
                for method in _CONNECT_METHODS if one.path_suffix else ("get", "post"):
                    connect: _Verb = (method, "connect", "connect", ())
                    item[method] = self._operation(
                        connect, f"connect{method.capitalize()}{suffix}", _Bodies(kind, "", "")
                    )
            return found
        item = self._item(found, path)
        for verb in one.verbs:
            row = _ON_ONE[verb]
            name = self._names.get(kind, "")
            request = "" if verb == "get" else META + "Patch" if verb == "patch" else name
            item[row[0]] = self._operation(row, f"{row[2]}{suffix}", _Bodies(kind, request, name))
        return found

    def _bodies(self, resource: ResourceInfo, verb: str) -> _Bodies:
        kind = (resource.group, resource.version, resource.kind)
        name = self._names.get(kind, "")
        listed = self._names.get((resource.group, resource.version, resource.kind + "List"), "")
        request = {
            "create": name,
            "update": name,
            "patch": META + "Patch",
            "delete": META + "DeleteOptions",
            "deletecollection": META + "DeleteOptions",
        }.get(verb, "")
        answer = {"list": listed, "delete": META + "Status", "deletecollection": META + "Status"}.get(verb, name)
        return _Bodies(kind, request, answer)

    def _item(self, found: dict[str, Value], path: str) -> Value:
        if path not in found:
            shared = [
                self._parameter("path", name, _STRING, text) for name, text in _PATH_PARAMETERS if f"{{{name}}}" in path
            ]
            shared.append(self._parameter("query", *_PRETTY))
            found[path] = {"parameters": shared}
        return found[path]

    def _parameter(self, place: str, name: str, kind: str, text: str) -> Value:
        shown: Value = {"name": name, "in": place, "description": text}
        if place == "path":
            shown["required"] = True
        if self._is_v3:
            shown["schema"] = {"type": kind, "uniqueItems": True}
        else:
            shown |= {"type": kind, "uniqueItems": True}
        return shown

    def _operation(self, row: _Verb, identity: str, bodies: _Bodies) -> Value:
        group, version, kind = bodies.kind
        operation: Value = {
            "operationId": identity,
            "parameters": [self._parameter("query", *one) for one in row[3]],
            "responses": self._responses(bodies.answer),
            "x-kubernetes-action": row[1],
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
        }
        if not self._is_v3:
            operation["produces"] = list(_BODIES)
        if bodies.request:
            self._put_request(operation, row[1], bodies)
        return operation

    def _put_request(self, operation: Value, action: str, bodies: _Bodies) -> None:
        media: Sequence[str] = _PATCHES if action == "patch" else _BODIES
        if action == "patch" and bodies.kind in self._custom:
            media = tuple(one for one in media if "strategic" not in one)
        reference = {"$ref": self._prefix + bodies.request}
        if self._is_v3:
            operation["requestBody"] = {
                "content": {one: {"schema": reference} for one in media},
                "required": not action.startswith("delete"),
            }
        else:
            operation["consumes"] = list(media)
            operation["parameters"].insert(
                0, {"name": "body", "in": "body", "required": not action.startswith("delete"), "schema": reference}
            )

    def _responses(self, name: str) -> Value:
        answer: Value = {"description": "OK"}
        if name and self._is_v3:
            answer["content"] = {one: {"schema": {"$ref": self._prefix + name}} for one in _BODIES}
        elif name:
            answer["schema"] = {"$ref": self._prefix + name}
        return {"200": answer, "401": {"description": "Unauthorized"}}


class _Bodies:
    """kind: what the operation is about. request, answer: component names, empty for none."""

    __slots__ = ("answer", "kind", "request")

    def __init__(self, kind: tuple[str, str, str], request: str, answer: str) -> None:
        self.kind = kind
        self.request = request
        self.answer = answer


_PATH_PARAMETERS = (
    ("name", "The name of the document."),
    ("namespace", "The namespace the document stands in."),
    ("path", "The part of the URL behind the proxy."),
)


def _tag(resource: ResourceInfo) -> str:
    """CoreV1, AppsV1: as operation ids begin."""
    group = (resource.group or "core").split(".")[0]
    return group[:1].upper() + group[1:] + resource.version[:1].upper() + resource.version[1:]
