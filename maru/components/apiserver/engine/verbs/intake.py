"""From what a client sent to a document in its stored version: type, unknown fields, namespace and name.

Source: k8s.io/apiserver/pkg/endpoints/handlers (create.go, update.go, rest.go); Kubernetes API
concepts, "Field validation".
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.apiserver.engine.verbs.call import Call
from maru.components.apiserver.errors import bad_request
from maru.components.apiserver.model.catalog import Served
from maru.core.clock import Clock, rfc3339
from maru.core.document import Value
from maru.wire.k8s.check import cannot_be_handled, check, prune
from maru.wire.k8s.errors import Malformed, StrictDecoding
from maru.wire.k8s.managed_fields import Writer

_MANAGER_CHARACTERS_MAX = 128


async def take_in(call: Call, value: object, duplicates: Sequence[str] = ()) -> Value:
    """The document in its stored version, checked against its type; the argument may be shared with it.

    Raises 400 for another kind, wrong types, and (Strict) unknown or duplicate fields.
    """
    served = call.served
    document = typed(served, value)
    checked = check_type(call, document, duplicates)
    if served.conversion is not None:
        checked = (await served.conversion.to_stored([checked]))[0]
    place(call, checked)
    return checked


def typed(served: Served, value: object) -> Value:
    """`value` as a document of the kind served; missing apiVersion and kind are filled in."""
    resource = served.resource
    if not isinstance(value, dict):
        raise bad_request(f"the object provided is unrecognized (must be of type {resource.kind}): not an object")
    version, kind = value.get("apiVersion"), value.get("kind")
    if version == resource.api_version and kind == resource.kind:
        return value
    if kind and kind != resource.kind:
        raise bad_request(
            f'{kind} in version "{str(version or "").rpartition("/")[2]}" cannot be handled as a {resource.kind}: '
            f'no kind "{kind}" is expected here'
        )
    if version and version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    return {"kind": resource.kind, "apiVersion": resource.api_version, **value} | {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
    }


def check_type(call: Call, document: Value, duplicates: Sequence[str] = ()) -> Value:
    """The document without what its type does not know, which is told or refused as the client asked.

    Of a custom resource only metadata is checked here: other types are rules of its schema and answered as such.
    """
    kind, version = document["kind"], call.served.resource.version
    try:
        if call.served.custom:
            checked = prune(call.served.node, document)
            if checked.value.get("metadata") is not None:
                checked.value["metadata"] = check(call.served.node.fields["metadata"], checked.value["metadata"]).value
        else:
            checked = check(call.served.node, document)
    except Malformed as error:
        raise bad_request(cannot_be_handled(kind, version, error)) from error
    if checked.unknown or duplicates:
        messages = [*duplicates, *checked.unknown]
        if call.options.validation == "Strict":
            raise bad_request(cannot_be_handled(kind, version, Malformed(StrictDecoding(messages).message)))
        if call.options.validation == "Warn":
            call.warn(messages)
    value: Value = checked.value
    return value


def place(call: Call, document: Value) -> None:
    """Set metadata.namespace and check it and the name against the path. Raises 400."""
    metadata = document.get("metadata")
    if metadata is None:
        metadata = document["metadata"] = {}
    if call.served.resource.namespaced:
        namespace = metadata.get("namespace")
        if namespace and namespace != call.namespace:
            raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
        metadata["namespace"] = call.namespace
    elif "namespace" in metadata and not metadata["namespace"]:
        del metadata["namespace"]
    if call.name:
        name = metadata.get("name")
        if name and name != call.name:
            raise bad_request(f"the name of the object ({name}) does not match the name on the URL ({call.name})")
        metadata["name"] = call.name


def writer(call: Call, clock: Clock) -> Writer:
    """Who this write is recorded as in managedFields."""
    name = call.options.field_manager or call.user_agent.partition("/")[0] or "unknown"
    return Writer(
        name[:_MANAGER_CHARACTERS_MAX], call.served.stored.api_version, call.subresource, rfc3339(clock.now())
    )
