"""A service's model: operations and shapes, made from stripped service-2.json when they are first asked for.

A model has hundreds of shapes of which a process uses few, so a shape is built at its first use and
kept. Shapes may be recursive: members are found through the service, lazily.
Source: botocore's loaders and model; Smithy AWS protocols for the traits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_DROPPED = frozenset(
    (
        *("documentation", "examples", "documentationUrl", "deprecatedMessage", "deprecatedSince", "endpoint"),
        *("contextParam", "staticContextParams", "operationContextParams"),
    )
)


def strip(model: Mapping[str, Any]) -> dict[str, Any]:
    """What of service-2.json is needed here, smaller by nine tenths: metadata, operations, shapes."""
    return {key: _stripped(model[key], key) for key in ("metadata", "operations", "shapes")}


def _stripped(value: Any, place: str) -> Any:
    if isinstance(value, dict):
        keeps_all = place in ("members", "operations", "shapes")
        return {key: _stripped(item, key) for key, item in value.items() if keeps_all or key not in _DROPPED}
    if isinstance(value, list):
        return [_stripped(item, "") for item in value]
    return value


class Member:
    """A reference to a shape with the traits of its place: a structure's member, a list's item, a map's key or value.

    location: header, headers, querystring, uri, statusCode, or "" for the body. wire_name: its name there.
    """

    __slots__ = (
        "_service", "_shape", "has_own_name", "is_attribute", "is_flattened", "is_streaming", "is_token",
        "location", "name", "namespace", "query_name", "shape_name", "timestamp_format", "wire_name",
    )  # fmt: skip

    def __init__(self, service: ServiceModel, name: str, traits: Mapping[str, Any]) -> None:
        self._service = service
        self._shape: Shape | None = None
        self.name = name
        self.shape_name: str = traits["shape"]
        self.location: str = traits.get("location", "")
        self.has_own_name = "locationName" in traits
        self.wire_name: str = traits.get("locationName", name)
        self.query_name: str = traits.get("queryName", "")
        self.is_flattened = bool(traits.get("flattened"))
        self.is_attribute = bool(traits.get("xmlAttribute"))
        self.is_streaming = bool(traits.get("streaming"))
        self.is_token = bool(traits.get("idempotencyToken"))
        self.namespace: Mapping[str, str] | None = traits.get("xmlNamespace")
        self.timestamp_format: str = traits.get("timestampFormat", "")

    @property
    def shape(self) -> Shape:
        """The shape it refers to."""
        if self._shape is None:
            self._shape = self._service.shape(self.shape_name)
        return self._shape


class Shape:
    """kind: structure, list, map, string, integer, long, float, double, boolean, blob, timestamp.

    minimum, maximum: of a length or a number, None for none. enum: allowed strings, () for any.
    """

    __slots__ = (
        "check", "enum", "error_code", "error_status", "is_document", "is_event_stream", "is_exception", "is_fault",
        "is_flattened", "is_sensitive", "is_streaming", "is_union", "item", "key", "kind", "maximum", "members",
        "minimum", "name", "namespace", "pattern", "payload", "reader", "required", "timestamp_format", "value",
        "wire_name", "writer",
    )  # fmt: skip

    def __init__(self, service: ServiceModel, name: str, traits: Mapping[str, Any]) -> None:
        self.name = name
        self.kind: str = traits["type"]
        self.members = {key: Member(service, key, member) for key, member in traits.get("members", {}).items()}
        self.required: tuple[str, ...] = tuple(traits.get("required", ()))
        self.item = Member(service, "member", traits["member"]) if "member" in traits else None
        self.key = Member(service, "key", traits["key"]) if "key" in traits else None
        self.value = Member(service, "value", traits["value"]) if "value" in traits else None
        self.minimum: float | None = traits.get("min")
        self.maximum: float | None = traits.get("max")
        self.pattern: str = traits.get("pattern", "")
        self.enum: tuple[str, ...] = tuple(traits.get("enum", ()))
        self.payload: str = traits.get("payload", "")
        self.wire_name: str = traits.get("locationName", "")
        self.timestamp_format: str = traits.get("timestampFormat", "")
        self.namespace: Mapping[str, str] | None = traits.get("xmlNamespace")
        self.is_flattened = bool(traits.get("flattened"))
        self.is_streaming = bool(traits.get("streaming"))
        self.is_union = bool(traits.get("union"))
        self.is_document = bool(traits.get("document"))
        self.is_event_stream = bool(traits.get("eventstream"))
        self.is_sensitive = bool(traits.get("sensitive"))
        self.is_exception = bool(traits.get("exception"))
        self.is_fault = bool(traits.get("fault"))
        error = traits.get("error", {})
        self.error_code: str = error.get("code", name)
        self.error_status: int = error.get("httpStatusCode", 500 if self.is_fault else 0)
        self.check: Any = None  # what holds its values to its constraints, see constraints.py
        self.reader: Any = None  # what reads and writes its values, see json_body.py
        self.writer: Any = None


class OperationModel:
    """One operation. path: the template, `{Key+}` takes the rest; literals: query parameters that belong to it."""

    def __init__(self, service: ServiceModel, name: str, traits: Mapping[str, Any]) -> None:
        http = traits.get("http", {})
        self.name = name
        self.service = service
        self.method: str = http.get("method", "POST")
        self.path, _, query = http.get("requestUri", "/").partition("?")
        self.literals: tuple[tuple[str, str | None], ...] = tuple(
            (key, value if mark else None)
            for key, mark, value in (pair.partition("=") for pair in query.split("&") if pair)
        )
        self.status: int = http.get("responseCode", 200)
        self._input: str = traits.get("input", {}).get("shape", "")
        self.input_traits: Mapping[str, Any] = traits.get("input", {})
        self._output: str = traits.get("output", {}).get("shape", "")
        self.result_wrapper: str = traits.get("output", {}).get("resultWrapper", "")
        self.error_names: tuple[str, ...] = tuple(error["shape"] for error in traits.get("errors", ()))
        self.is_unsigned = traits.get("authtype") == "none" or "smithy.api#noAuth" in traits.get("auth", ())

    @property
    def input(self) -> Shape | None:
        """The shape of the request, None for an empty one."""
        return self.service.shape(self._input) if self._input else None

    @property
    def output(self) -> Shape | None:
        """The shape of the answer, None for an empty one."""
        return self.service.shape(self._output) if self._output else None


class ServiceModel:
    """One service, by a stripped model. protocol: json, query, ec2, rest-json, rest-xml."""

    def __init__(self, name: str, stripped: Mapping[str, Any]) -> None:
        metadata = stripped["metadata"]
        self.name = name
        self.protocol: str = metadata["protocol"]
        self.protocols: tuple[str, ...] = tuple(metadata.get("protocols", (self.protocol,)))
        self.json_version: str = metadata.get("jsonVersion", "1.0")
        self.target_prefix: str = metadata.get("targetPrefix", "")
        self.version: str = metadata["apiVersion"]
        self.signing_name: str = metadata.get("signingName", metadata["endpointPrefix"])
        self.namespace: str = metadata.get("xmlNamespace", "")
        self.is_query_compatible = "awsQueryCompatible" in metadata
        self._operations: Mapping[str, Any] = stripped["operations"]
        self._shapes: Mapping[str, Any] = stripped["shapes"]
        self._made: dict[str, Shape] = {}
        self._made_operations: dict[str, OperationModel] = {}
        self._codes: dict[str, Shape] | None = None

    def operation_names(self) -> tuple[str, ...]:
        """All of the model, in its order."""
        return tuple(self._operations)

    def operation(self, name: str) -> OperationModel | None:
        """The operation, or None if the service has none of that name."""
        made = self._made_operations.get(name)
        if made is None and name in self._operations:
            made = self._made_operations[name] = OperationModel(self, name, self._operations[name])
        return made

    def shape(self, name: str) -> Shape:
        """The shape `name`, which the model must have."""
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = Shape(self, name, self._shapes[name])
        return made

    def error(self, code: str) -> Shape | None:
        """The error shape that has `code` (its own, or its name), None for one that no shape stands for."""
        if self._codes is None:
            self._codes = {}
            for name, traits in self._shapes.items():
                if traits.get("exception"):
                    self._codes.setdefault(name, self.shape(name))
                    self._codes[traits.get("error", {}).get("code", name)] = self.shape(name)
        return self._codes.get(code)


def camel(name: str) -> str:
    """A member's name as AWS's validation texts spell it: KeyId is keyId, SSEAlgorithm sSEAlgorithm."""
    return name[:1].lower() + name[1:]


WORD = re.compile(r"[A-Za-z0-9_.-]+")
