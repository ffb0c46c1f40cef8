"""Derive maru/wire/k8s/protobuf_fields.tsv: the field numbers of the Kubernetes API's protobuf messages.

    python tools/derive_protobuf.py "kubectl 1.36 of PACKAGE VERSION" KUBECTL "helm 4 of ..." HELM > protobuf_fields.tsv

Go binaries carry the type of every struct, with its tags (`json:"name" protobuf:"bytes,1,opt,name=name"`).
The tool scans the read-only data of amd64 ELF files for struct types with such tags; later files only
add what earlier ones lack. Only facts leave it: message, number, JSON name, type.
Source: Go's internal/abi type layout; the ELF specification.
"""

from __future__ import annotations

import re
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

BOOL, INT32, INT64, UINT8, FLOAT64, MAP, POINTER, SLICE, STRING, STRUCT = 1, 5, 6, 8, 14, 21, 22, 23, 24, 25
SCALARS = {BOOL: "bool", INT32: "int32", INT64: "int64", FLOAT64: "double", STRING: "string"}
PACKAGES = re.compile(
    r"^k8s\.io/(api/|apimachinery/pkg/(api/resource|apis/meta/v1$|util/intstr|runtime$)"
    r"|apiextensions-apiserver/pkg/apis/apiextensions/v\d+$|kube-aggregator/pkg/apis/apiregistration/v\d+$)"
)
UNSTABLE = re.compile(r"/v\d+(alpha|beta)\d+$")
# Messages that Go writes by hand: their wire form is not in a tag.
BY_HAND = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "quantity",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": "time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": "micro_time",
    "io.k8s.apimachinery.pkg.apis.meta.v1.Duration": "duration",
    "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1": "raw",
    "io.k8s.apimachinery.pkg.runtime.RawExtension": "raw",
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "int_or_string",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON": "raw",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrArray": "schema_or_array",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrBool": "schema_or_bool",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaPropsOrStringArray": "schema_or_strings",
}


@dataclass(frozen=True)
class Field:
    """One field of a message. name is empty for a message whose fields stand in the parent's JSON."""

    number: int
    name: str
    type: str


class Binary:
    """The read-only segment of an ELF file, by address."""

    def __init__(self, path: Path) -> None:
        self.image = path.read_bytes()
        assert self.image[:5] == b"\x7fELF\x02", "a 64-bit ELF file"
        offset, size, count = self._u64(32), self._u16(54), self._u16(56)
        self.segments = []
        for index in range(count):
            kind, flags, start, address, _, length = struct.unpack_from("<IIQQQQ", self.image, offset + index * size)
            if kind == 1:
                self.segments.append((address, address + length, start, flags))
        self.readonly = next(one for one in self.segments if one[3] == 4)

    def _u16(self, at: int) -> int:
        return int(struct.unpack_from("<H", self.image, at)[0])

    def _u64(self, at: int) -> int:
        return int(struct.unpack_from("<Q", self.image, at)[0])

    def at(self, address: int) -> int:
        """The file offset of an address."""
        for low, high, start, _ in self.segments:
            if low <= address < high:
                return int(start + address - low)
        raise ValueError(address)

    def pointer(self, address: int) -> int:
        return self._u64(self.at(address))

    def kind(self, address: int) -> int:
        return int(self.image[self.at(address) + 23]) & 31

    def name(self, address: int) -> tuple[str, str]:
        """(name, tag) of an abi.Name."""
        at = self.at(address)
        flags = self.image[at]
        text, at = self._text(at + 1)
        tag = self._text(at)[0] if flags & 2 else ""
        return text, tag

    def _text(self, at: int) -> tuple[str, int]:
        length = shift = 0
        while True:
            byte = self.image[at]
            at += 1
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if length > 1000:
            raise ValueError(length)
        return self.image[at : at + length].decode(), at + length

    def offset_name(self, offset: int) -> str:
        return self.name(self.readonly[0] + offset)[0] if offset else ""

    def identity(self, address: int, extra: int) -> tuple[str, str]:
        """(package path, type name) of a named type whose own part is `extra` bytes long; empty if unnamed."""
        at = self.at(address)
        flags = self.image[at + 20]
        if not flags & 1:
            return "", ""
        text = self.offset_name(struct.unpack_from("<i", self.image, at + 40)[0])
        package = self.offset_name(struct.unpack_from("<i", self.image, at + 48 + extra)[0])
        return package, text.lstrip("*").rpartition(".")[2]


def definition_name(package: str, name: str) -> str:
    """As OpenAPI names it: k8s.io/api/core/v1.Pod becomes io.k8s.api.core.v1.Pod."""
    host, _, path = package.partition("/")
    return ".".join([*reversed(host.split(".")), *path.split("/"), name])


def struct_types(binary: Binary) -> dict[str, int]:
    """Addresses of the API's struct types by definition name."""
    low, high, start, _ = binary.readonly
    image, found = binary.image, {}
    for at in range(start, start + high - low - 80, 8):
        if image[at + 23] & 31 != STRUCT or not image[at + 20] & 1:
            continue
        fields, length, capacity = struct.unpack_from("<QQQ", image, at + 56)
        if not (0 < length == capacity < 200 and low <= fields < high):
            continue
        try:
            package, name = binary.identity(low + at - start, 32)
        except (ValueError, UnicodeDecodeError, struct.error, IndexError):
            continue
        if PACKAGES.match(package) and not UNSTABLE.search(package) and name.isalnum():
            found[definition_name(package, name)] = low + at - start
    return found


def message_fields(binary: Binary, address: int) -> list[Field]:
    """The fields with a protobuf tag, ascending by number."""
    at = binary.at(address)
    base, length = struct.unpack_from("<QQ", binary.image, at + 56)
    fields = []
    for index in range(length):
        name, kind, _ = struct.unpack_from("<QQQ", binary.image, binary.at(base + index * 24))
        _, tag = binary.name(name)
        number = re.search(r'protobuf:"\w+,(\d+),', tag)
        json = re.search(r'json:"([^",]*)(,[^"]*)?"', tag)
        if number is None or json is None:
            continue
        options = json[2] or ""
        inline = ",inline" in options or not json[1]
        text = field_type(binary, kind)
        is_pointer = binary.kind(kind) == POINTER
        is_kept = is_pointer or ("omitempty" not in options and text != "int_or_string")
        if is_kept and text in {*SCALARS.values(), "int_or_string"}:
            text = "+" + text
        fields.append(Field(int(number[1]), "" if inline else json[1], text))
    return sorted(fields, key=lambda one: one.number)


def field_type(binary: Binary, address: int) -> str:
    """string, bytes, int32, ..., a message's name, []T, {}T; items for a named list inside a map."""
    kind = binary.kind(address)
    if kind in SCALARS:
        return SCALARS[kind]
    if kind == POINTER:
        return field_type(binary, binary.pointer(address + 48))
    if kind == SLICE:
        element = binary.pointer(address + 48)
        return "bytes" if binary.kind(element) == UINT8 else "[]" + field_type(binary, element)
    if kind == MAP:
        element = binary.pointer(address + 56)
        if binary.kind(element) == SLICE and binary.identity(element, 8)[0]:
            return "{}items"
        return "{}" + field_type(binary, element)
    assert kind == STRUCT, f"kind {kind}"
    name = definition_name(*binary.identity(address, 32))
    return BY_HAND.get(name, name)


def main(arguments: list[str]) -> None:
    """Print the table for pairs of (provenance, path)."""
    messages: dict[str, list[Field]] = {}
    sources = list(zip(arguments[::2], arguments[1::2], strict=True))
    for _, path in sources:
        binary = Binary(Path(path))
        for name, address in struct_types(binary).items():
            if name not in messages and name not in BY_HAND:
                fields = message_fields(binary, address)
                if fields:
                    messages[name] = fields
    for provenance, _ in sources:
        print(f"# from {provenance}")
    print("# by tools/derive_protobuf.py, from the protobuf tags in the type data of the Go binaries")
    print("# message, then its fields: number, JSON name (empty: the fields stand in the parent), type;")
    print("# types: [] list, {} map by string, + shown in JSON also when zero; io.k8s. is left out")
    for name in sorted(messages):
        print(name.removeprefix("io.k8s."))
        for one in messages[name]:
            print(f"\t{one.number}\t{one.name}\t{one.type.replace('io.k8s.', '')}")


if __name__ == "__main__":
    main(sys.argv[1:])
