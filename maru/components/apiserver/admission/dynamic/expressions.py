"""The variables of admission's expressions, their types, and compiled expressions kept for reuse.

Source: Kubernetes docs, "Validating Admission Policy", "Dynamic Admission Control" (matchConditions).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from maru.components.apiserver.admission.dynamic.authorizing import (
    Asking,
    ResourceCheck,
    asking_of,
    entries,
    patch_entries,
)
from maru.components.apiserver.admission.dynamic.matching import Place
from maru.components.apiserver.admission.dynamic.requests import request_of
from maru.components.apiserver.admission.review import Review
from maru.core.access import Authorizer
from maru.core.document import Value
from maru.wire.cel.checker import Declarations
from maru.wire.cel.functions import Library
from maru.wire.cel.library.all import kubernetes_library
from maru.wire.cel.program import Program, compile_expression
from maru.wire.cel.types import BOOL, DYN, STRING, Type, list_of, map_of, object_of

PROGRAMS_MAX = 4096
_GVK = object_of("kubernetes.GroupVersionKind", {"group": STRING, "version": STRING, "kind": STRING}.get)
_GVR = object_of("kubernetes.GroupVersionResource", {"group": STRING, "version": STRING, "resource": STRING}.get)
_USER = object_of(
    "kubernetes.UserInfo",
    {"username": STRING, "uid": STRING, "groups": list_of(STRING), "extra": map_of(STRING, list_of(STRING))}.get,
)
REQUEST = object_of(
    "kubernetes.AdmissionRequest",
    {
        "kind": _GVK,
        "resource": _GVR,
        "subResource": STRING,
        "requestKind": _GVK,
        "requestResource": _GVR,
        "requestSubResource": STRING,
        "name": STRING,
        "namespace": STRING,
        "operation": STRING,
        "userInfo": _USER,
        "dryRun": BOOL,
        "options": DYN,
    }.get,
)
_AUTHORIZER = Type("opaque", Asking.type_name, shape={"requestResource": Type("opaque", ResourceCheck.type_name)}.get)
CONDITION: Mapping[str, Type] = {
    "object": DYN,
    "oldObject": DYN,
    "request": REQUEST,
    "authorizer": _AUTHORIZER,
}
POLICY: Mapping[str, Type] = {**CONDITION, "params": DYN, "namespaceObject": DYN}


def _open(name: str) -> Type:
    return Type("dyn", shape=_open)


STRUCTS: Mapping[str, Type] = {
    "Object": Type("object", "Object", shape=_open),
    "JSONPatch": object_of("JSONPatch", {"op": STRING, "path": STRING, "from": STRING, "value": DYN}.get),
}


class Expressions:
    """Compiles and keeps. authorizer: who answers what expressions ask."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self.library: Library = kubernetes_library((*entries(), *patch_entries()))
        self._programs: OrderedDict[tuple[str, tuple[str, ...], bool], Program] = OrderedDict()

    def program(self, text: str, variables: Mapping[str, Type], *, is_mutation: bool = False) -> Program:
        """The compiled expression. Raises CompileError."""
        key = (text, tuple(f"{name}:{kind}" for name, kind in variables.items()), is_mutation)
        program = self._programs.get(key)
        if program is None:
            declared = Declarations(variables, self.library, STRUCTS if is_mutation else {})
            program = compile_expression(text, declared)
            self._programs[key] = program
            while len(self._programs) > PROGRAMS_MAX:
                self._programs.popitem(last=False)
        return program

    def compiled_once(self, text: str, variables: Mapping[str, Type], *, is_mutation: bool = False) -> Program:
        """A program that is not kept. Raises CompileError."""
        return compile_expression(text, Declarations(variables, self.library, STRUCTS if is_mutation else {}))

    def values(self, review: Review, place: Place, objects: tuple[Value | None, Value | None]) -> dict[str, object]:
        """What expressions see of a write. objects: the new and the old one, as they are shown."""
        return {
            "object": objects[0],
            "oldObject": objects[1],
            "request": request_of(review, place, ""),
            "authorizer": asking_of(self._authorizer, review),
        }
