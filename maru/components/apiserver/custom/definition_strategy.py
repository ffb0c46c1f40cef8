"""CustomResourceDefinitions themselves: their defaults and rules.

Source: apiextensions-apiserver pkg/apis/apiextensions (v1/defaults.go, validation/validation.go).
"""

from __future__ import annotations

from collections.abc import Sequence

from maru.components.apiserver.custom.rule_check import check_rules_and_defaults
from maru.components.apiserver.custom.structure import check_structure
from maru.core.document import Value
from maru.kinds.columns.cells import at
from maru.kinds.rules.text import (
    forbidden,
    immutable,
    invalid,
    is_dns_1035_label,
    is_dns_subdomain,
    required,
    unsupported,
)
from maru.kinds.strategy import NAME_COLUMN, Cause, Column, Strategy
from maru.wire.cel.library.all import kubernetes_library

_ONE_STORAGE = "must have exactly one version marked as storage version"
_APPROVAL = "api-approved.kubernetes.io"
_APPROVAL_RULES = "https://github.com/kubernetes/enhancements/pull/1111"
_PROTECTED = (".k8s.io", ".kubernetes.io")
_SCOPES = ("Cluster", "Namespaced")


class DefinitionStrategy(Strategy):
    """What the real server fills in and refuses."""

    columns = (NAME_COLUMN, Column("Created At", at("metadata.creationTimestamp", None), type="date"))

    def __init__(self) -> None:
        self._library = kubernetes_library()

    def default(self, value: Value) -> None:
        spec = value.setdefault("spec", {})
        names = spec.setdefault("names", {})
        kind = names.get("kind") or ""
        if kind:
            names.setdefault("singular", kind.lower())
            names.setdefault("listKind", f"{kind}List")
        spec.setdefault("conversion", {"strategy": "None"})
        webhook = spec["conversion"].get("webhook") or {}
        service = (webhook.get("clientConfig") or {}).get("service")
        if service is not None and service.get("port") is None:
            service["port"] = 443
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
        if spec.get("preserveUnknownFields"):
            causes.append(invalid("spec.preserveUnknownFields", True, "must be false"))
        if group.endswith(_PROTECTED) or group in ("k8s.io", "kubernetes.io"):
            causes += _check_approval(value["metadata"].get("annotations") or {})
        causes += _check_names(names)
        causes += _check_conversion(spec.get("conversion") or {}, spec.get("versions") or [])
        return [*causes, *_check_versions(spec.get("versions") or [], status=value.get("status") or {})]

    def validate_create(self, value: Value) -> Sequence[Cause]:
        return self._check_schemas(value, {})

    def _check_schemas(self, value: Value, old: Value) -> list[Cause]:
        """Of the versions whose schema is new: what is kept already stays as it was accepted."""
        causes: list[Cause] = []
        before = {one["name"]: one.get("schema") for one in (old.get("spec") or {}).get("versions") or ()}
        for index, version in enumerate(value["spec"].get("versions") or ()):
            schema = (version.get("schema") or {}).get("openAPIV3Schema")
            if not isinstance(schema, dict) or before.get(version.get("name")) == version.get("schema"):
                continue
            path = f"spec.versions[{index}].schema.openAPIV3Schema"
            found = list(check_structure(schema, path))
            causes += found or check_rules_and_defaults(schema, path, self._library)
        return causes

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
        return [*(immutable(field, given) for field, given in changed), *self._check_schemas(value, old)]


def _check_approval(annotations: Value) -> list[Cause]:
    """Groups of the Kubernetes community need an approval. Source: KEP-2337."""
    field, said = f"metadata.annotations[{_APPROVAL}]", annotations.get(_APPROVAL) or ""
    if said.startswith(("unapproved", "https://", "http://")):
        return []
    words = f'protected groups must have approval annotation "{_APPROVAL}"'
    if not said:
        return [required(field, f"{words}, see {_APPROVAL_RULES}")]
    choice = 'either a URL or a reason starting with "unapproved"'
    return [invalid(field, said, f"{words} with {choice}, see {_APPROVAL_RULES}")]


def _check_conversion(conversion: Value, versions: Sequence[Value]) -> list[Cause]:
    strategy, webhook = conversion.get("strategy"), conversion.get("webhook")
    if strategy not in ("None", "Webhook"):
        return [unsupported("spec.conversion.strategy", strategy or "", ("None", "Webhook"))]
    if strategy == "None":
        why = "should not be set when strategy is not set to Webhook"
        return [forbidden("spec.conversion.webhook", why)] if webhook is not None else []
    field = "spec.conversion.webhook"
    config = (webhook or {}).get("clientConfig")
    if config is None:
        return [required(f"{field}.clientConfig", "required when strategy is set to Webhook")]
    causes = []
    if bool(config.get("url")) == bool(config.get("service")):
        causes.append(required(f"{field}.clientConfig", "exactly one of url or service is required"))
    if config.get("url") and not str(config["url"]).startswith("https://"):
        why = "'https' is the only allowed URL scheme; desired format: https://host[/path]"
        causes.append(invalid(f"{field}.clientConfig.url", config["url"], why))
    known = (webhook or {}).get("conversionReviewVersions") or ()
    if not any(one in ("v1", "v1beta1") for one in known):
        why = "must include at least one of v1, v1beta1"
        causes.append(invalid(f"{field}.conversionReviewVersions", list(known), why))
    return causes


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
