"""Build maru/wire/k8s/schema.bin from the installed kubernetes-validate and lightkube-models.

A hatchling build hook, and a command for a checkout: python tools/build_schema.py.
kubernetes-validate gives the types (OpenAPI definitions as JSON Schema), lightkube-models the
resources, verbs and scope (read as source text with ast, never imported), maru/wire/k8s/facts.py
the rest. Only stable group versions are kept. The file's layout is read by maru/wire/k8s/schema.py.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import json
import re
import sys
import zlib
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run as a command in an environment without hatchling
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path("maru/wire/k8s/schema.bin")
KUBERNETES = "v1.36.0-local"
META = "io.k8s.apimachinery.pkg.apis.meta.v1."
VERBS = {
    "post": "create",
    "put": "update",
    "delete": "delete",
    "deletecollection": "deletecollection",
    "get": "get",
    "list": "list",
    "patch": "patch",
    "watch": "watch",
}
SPECIAL: dict[str, dict[str, Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"k": "quantity"},
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"k": "int_or_string"},
    META + "Time": {"k": "time"},
    META + "MicroTime": {"k": "micro_time"},
    META + "FieldsV1": {"k": "any", "a": True},
    "io.k8s.apimachinery.pkg.runtime.RawExtension": {"k": "any", "a": True},
}
STABLE = re.compile(r"^v\d+$")


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """What pyproject.toml names: writes the file before a wheel or an editable install is made."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling."""
        build(Path(self.root))


def build(root: Path) -> Path:
    """Write the file below `root`; answers its path."""
    facts = _load_facts(root)
    definitions = _definitions()
    resources = _resources(facts)
    served = {(one["group"], one["version"]) for one in resources}
    kept = {name: one for name, one in definitions.items() if _is_stable(name)}
    file = [
        "kubernetes-validate {} ({}), lightkube-models {}".format(
            importlib.metadata.version("kubernetes-validate"),
            KUBERNETES,
            importlib.metadata.version("lightkube-models"),
        ),
        resources,
        _kinds(kept, served),
        _squeeze({name: _pack(one, name) for name, one in sorted(kept.items())}),
        _squeeze({name: _texts(one) for name, one in sorted(kept.items())}),
    ]
    path = root / TARGET
    path.write_bytes(msgspec.msgpack.encode(file))
    return path


def _load_facts(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("maru_k8s_facts", root / "maru/wire/k8s/facts.py")
    assert spec is not None
    assert spec.loader is not None
    facts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(facts)
    return facts


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.submodule_search_locations  # a namespace package has no file of its own
    return Path(spec.submodule_search_locations[0])


def _definitions() -> dict[str, Any]:
    path = _package("kubernetes_validate") / "kubernetes-json-schema" / KUBERNETES / "_definitions.json"
    definitions: dict[str, Any] = json.loads(path.read_text())["$defs"]
    return definitions


def _is_stable(name: str) -> bool:
    package = name.rsplit(".", 1)[0].rsplit(".", 1)[-1]
    return not re.match(r"^v\d+(alpha|beta)", package)


def _kinds(definitions: dict[str, Any], served: set[tuple[str, str]]) -> dict[str, str]:
    kinds: dict[str, str] = {}
    for name, one in sorted(definitions.items()):
        for entry in one.get("x-kubernetes-group-version-kind", ()):
            if (entry["group"], entry["version"]) in served or (entry["group"], entry["version"]) == ("", "v1"):
                kinds.setdefault(f"{entry['group']}/{entry['version']}/{entry['kind']}", name)
    return kinds


def _squeeze(value: object) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(value), 9)


def _texts(definition: dict[str, Any]) -> list[Any]:
    fields = {key: one["description"] for key, one in definition.get("properties", {}).items() if "description" in one}
    return [definition.get("description", ""), fields]


def _reference(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[-1]


def _pack(schema: dict[str, Any], name: str = "") -> dict[str, Any]:
    """A type as the file holds it.

    k kind, r reference, f fields, i items, q required, o format, l list type, m map keys, p patch strategy,
    e merge key, a atomic.
    """
    if name in SPECIAL:
        return dict(SPECIAL[name])
    packed: dict[str, Any] = {}
    if "$ref" in schema:
        reference = _reference(schema)
        packed = dict(SPECIAL[reference]) if reference in SPECIAL else {"r": reference}
    else:
        packed = _shape(schema)
    for key, short in (
        ("x-kubernetes-list-type", "l"),
        ("x-kubernetes-list-map-keys", "m"),
        ("x-kubernetes-patch-merge-key", "e"),
    ):
        if key in schema:
            packed[short] = schema[key]
    if "x-kubernetes-patch-strategy" in schema:
        packed["p"] = schema["x-kubernetes-patch-strategy"].split(",")
    if schema.get("x-kubernetes-map-type") == "atomic":
        packed["a"] = True
    return packed


def _shape(schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema.get("type")
    kind = kinds[0] if isinstance(kinds, list) else kinds
    if kind == "array":
        return {"k": "list", "i": _pack(schema["items"])}
    if kind == "object" and "additionalProperties" in schema:
        return {"k": "map", "i": _pack(schema["additionalProperties"])}
    if kind == "object":
        packed: dict[str, Any] = {
            "k": "object",
            "f": {key: _pack(one) for key, one in sorted(schema.get("properties", {}).items())},
        }
        if schema.get("required"):
            packed["q"] = schema["required"]
        return packed
    if kind is None:
        return {"k": "any", "a": True}
    if schema.get("format") == "byte":
        return {"k": "bytes"}
    packed = {"k": kind}
    if "format" in schema:
        packed["o"] = schema["format"]
    return packed


def _resources(facts: ModuleType) -> list[dict[str, Any]]:
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    subresources: list[tuple[tuple[str, str, str], dict[str, Any]]] = []
    for path in sorted((_package("lightkube") / "resources").glob("*.py")):
        for base, info in _api_infos(path):
            group, version, kind = info.get("parent", info["resource"])
            if not STABLE.match(version):
                continue
            plural = info["plural"]
            if "action" in info:
                body = info["resource"]
                verbs = sorted(VERBS[verb] for verb in info["verbs"])
                subresources.append(((group, version, plural), _subresource((info["action"], *body, verbs, False))))
                continue
            storage = f"{plural}.{group}" if group else plural
            found[group, version, plural] = {
                "group": group,
                "version": version,
                "kind": kind,
                "plural": plural,
                "singular": kind.lower(),
                "namespaced": base.startswith("Namespaced"),
                "verbs": facts.VERBS.get(storage) or sorted({VERBS[verb] for verb in info["verbs"] if verb in VERBS}),
                "short_names": facts.SHORT_NAMES.get(storage, ()),
                "categories": facts.CATEGORIES.get(storage, ()),
                "subresources": [_subresource(one) for one in facts.SUBRESOURCES.get(storage, ())],
            }
    for key, one in subresources:
        found[key]["subresources"].append(one)
    for one in found.values():
        one["subresources"].sort(key=lambda entry: entry["name"])
    order = {group: index for index, group in enumerate(facts.GROUP_ORDER)}
    return sorted(
        found.values(),
        key=lambda one: (order.get(one["group"], 99), one["group"], -int(one["version"][1:]), one["plural"]),
    )


def _subresource(row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("name", "group", "version", "kind", "verbs", "path_suffix"), row, strict=True))


def _api_infos(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """(base class, keywords of ApiInfo) of each class in a lightkube resource module."""
    found = []
    for statement in ast.parse(path.read_text()).body:
        if not isinstance(statement, ast.ClassDef):
            continue
        base = ast.unparse(statement.bases[0]).rsplit(".", 1)[-1]
        for line in statement.body:
            if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "_api_info":
                assert isinstance(line.value, ast.Call)
                found.append((base, {one.arg or "": _literal(one.value) for one in line.value.keywords}))
    return found


def _literal(node: ast.expr) -> Any:
    if isinstance(node, ast.Call):
        return tuple(ast.literal_eval(argument) for argument in node.args)
    return ast.literal_eval(node)


if __name__ == "__main__":
    written = build(ROOT)
    print(f"{written.relative_to(ROOT)}: {written.stat().st_size} bytes")
    sys.exit(0)
