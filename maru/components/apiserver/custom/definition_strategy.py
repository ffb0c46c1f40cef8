"""CustomResourceDefinitions themselves: their defaults and rules.

Source: apiextensions-apiserver pkg/apis/apiextensions (v1/defaults.go, validation/validation.go).
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.core.document import Value
from maru.kinds.columns.cells import at
from maru.kinds.rules.text import invalid, is_dns_1035_label, is_dns_subdomain, required, unsupported
from maru.kinds.strategy import NAME_COLUMN, Cause, Column, Strategy

_ONE_STORAGE = "must have exactly one version marked as storage version"
_SCOPES = ("Cluster", "Namespaced")


class DefinitionStrategy(Strategy):
    """What the real server fills in and refuses."""

    columns = (NAME_COLUMN, Column("Created At", at("metadata.creationTimestamp", None), type="date"))

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        names = spec.setdefault("names", {})
        kind = names.get("kind") or ""
        if kind:
            names.setdefault("singular", kind.lower())
            names.setdefault("listKind", f"{kind}List")
        spec.setdefault("conversion", {"strategy": "None"})
        if spec.get("preserveUnknownFields") is False:
            del spec["preserveUnknownFields"]

    def prepare_create(self, value: Value) -> None:
        value["status"] = {
            "storedVersions": [one["name"] for one in value["spec"].get("versions") or () if one.get("storage")]
        }

    def prepare_update(self, value: Value, old: Value, subresource: str) -> None:
        if subresource:
            return
        status = dict(value.get("status") or {})
        versions = list(status.get("storedVersions") or ())
        versions += [
            one["name"]
            for one in value["spec"].get("versions") or ()
            if one.get("storage") and one["name"] not in versions
        ]
        value["status"] = {**status, "storedVersions": versions}

    def validate(self, value: Value) -> Sequence[Cause]:
        spec = value["spec"]
        names = spec.get("names") or {}
        group, plural = spec.get("group") or "", names.get("plural") or ""
        causes: list[Cause] = []
        if not group:
            causes.append(required("spec.group"))
        elif "." not in group:
            causes.append(invalid("spec.group", group, "should be a domain with at least one dot"))
        else:
            causes += [invalid("spec.group", group, text) for text in is_dns_subdomain(group)]
        expected = f"{plural}.{group}"
        if value["metadata"].get("name") != expected:
            causes.append(
                invalid("metadata.name", value["metadata"].get("name"), 'must be spec.names.plural+"."+spec.group')
            )
        if spec.get("scope") not in _SCOPES:
            causes.append(unsupported("spec.scope", spec.get("scope") or "", _SCOPES))
        causes += _check_names(names)
        return [*causes, *_check_versions(spec.get("versions") or [], status=value.get("status") or {})]

    def validate_update(self, value: Value, old: Value, subresource: str) -> Sequence[Cause]:
        new, before = value["spec"], old["spec"]
        changed = [
            (f"spec.{field}", new.get(field)) for field in ("group", "scope") if new.get(field) != before.get(field)
        ]
        changed += [
            (f"spec.names.{field}", new["names"].get(field))
            for field in ("plural", "kind")
            if new["names"].get(field) != before["names"].get(field)
        ]
        return [invalid(field, given, "field is immutable") for field, given in changed]


def _check_names(names: Value) -> list[Cause]:
    causes: list[Cause] = []
    for field in ("plural", "singular", "kind", "listKind"):
        text = names.get(field) or ""
        if not text:
            causes.append(required(f"spec.names.{field}"))
        else:
            causes += [invalid(f"spec.names.{field}", text, why) for why in is_dns_1035_label(text.lower())]
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        causes.append(invalid("spec.names.listKind", names["listKind"], "kind and listKind may not be the same"))
    return causes


def _check_versions(versions: Sequence[Value], status: Value) -> list[Cause]:
    causes: list[Cause] = []
    stored = [one for one in versions if one.get("storage")]
    if len(stored) != 1:
        causes.append(
            invalid(
                "spec.versions",
                [one.get("name") for one in versions],
                "must have exactly one version marked as storage version",
            )
        )
    seen: set[str] = set()
    for index, version in enumerate(versions):
        field = f"spec.versions[{index}]"
        name = version.get("name") or ""
        causes += [invalid(f"{field}.name", name, why) for why in is_dns_1035_label(name)]
        if name in seen:
            causes.append(invalid("spec.versions", name, "must contain unique version names"))
        seen.add(name)
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            causes.append(required(f"{field}.schema.openAPIV3Schema", "schemas are required"))
        elif schema.get("type") != "object":
            at_type = f"{field}.schema.openAPIV3Schema.type"
            given = schema.get("type")
            why = "must be object at the root"
            causes.append(invalid(at_type, given, why) if given else required(at_type, "must not be empty at the root"))
    for name in status.get("storedVersions") or ():
        if name not in seen:
            causes.append(
                invalid(
                    "status.storedVersions",
                    name,
                    f"missing from spec.versions; {name} was previously a storage version",
                )
            )
    return causes
