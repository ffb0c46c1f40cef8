"""Which form an answer takes, from the Accept header: JSON or YAML, whole, as a Table or as metadata only.

Pure. Protobuf is read but never made: an Accept list that names it first falls to the next form, and one
that names nothing else is not acceptable. Source: Kubernetes API concepts, "Alternate representations of
resources" and "Receiving resources as Tables"; k8s.io/apiserver/pkg/endpoints/handlers/negotiation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from maru.components.apiserver.errors import not_acceptable

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
OFFERED = (JSON, YAML)
TABLE = "Table"
METADATA = "PartialObjectMetadata"
METADATA_LIST = "PartialObjectMetadataList"
DISCOVERY_LIST = "APIGroupDiscoveryList"
_ACCEPT_CHARACTERS_MAX = 4096
_JSON_RANGES = frozenset({JSON, "application/*", "*/*"})
_YAML_RANGES = frozenset({YAML, "application/x-yaml", "text/yaml"})
_SHAPES: Mapping[str, tuple[str, frozenset[str]]] = {
    TABLE: ("meta.k8s.io", frozenset({"v1", "v1beta1"})),
    METADATA: ("meta.k8s.io", frozenset({"v1", "v1beta1"})),
    METADATA_LIST: ("meta.k8s.io", frozenset({"v1", "v1beta1"})),
    DISCOVERY_LIST: ("apidiscovery.k8s.io", frozenset({"v2", "v2beta1"})),
}


@dataclass(frozen=True, slots=True)
class Form:
    """media: JSON or YAML. shape: "" for the documents themselves, else the kind they are shown as, of `version`."""

    media: str = JSON
    shape: str = ""
    version: str = ""

    @property
    def content_type(self) -> str:
        """The Content-Type of an answer in this form."""
        if self.shape == DISCOVERY_LIST:
            return f"{self.media};g=apidiscovery.k8s.io;v={self.version};as={self.shape}"
        return self.media


PLAIN = Form()


@lru_cache(maxsize=512)
def choose(accept: str, shapes: frozenset[str] = frozenset()) -> Form:
    """The first form of `accept` that is made here; only shapes of `shapes` are. Raises 406.

    Order follows q, then the order given.
    """
    if not accept or accept == JSON:
        return PLAIN
    ranges = [_parse(part) for part in accept[:_ACCEPT_CHARACTERS_MAX].split(",") if part.strip()]
    ranges.sort(key=lambda entry: -_weight(entry[1]))
    for media, parameters in ranges:
        form = _form(media, parameters, shapes)
        if form is not None:
            return form
    raise not_acceptable(OFFERED)


def _form(media: str, parameters: Mapping[str, str], shapes: frozenset[str]) -> Form | None:
    if media in _JSON_RANGES:
        kind = JSON
    elif media in _YAML_RANGES:
        kind = YAML
    else:
        return None
    shape = parameters.get("as", "")
    if not shape:
        return Form(kind)
    known = _SHAPES.get(shape)
    if known is None or shape not in shapes:
        return None
    group, versions = known
    version = parameters.get("v", "")
    if parameters.get("g", "") != group or version not in versions:
        return None
    return Form(kind, shape, version)


def _parse(part: str) -> tuple[str, dict[str, str]]:
    media, *rest = part.split(";")
    parameters: dict[str, str] = {}
    for item in rest:
        name, _, value = item.strip().partition("=")
        parameters[name.strip().lower()] = value.strip().strip('"')
    return media.strip().lower(), parameters


def _weight(parameters: Mapping[str, str]) -> float:
    try:
        return float(parameters.get("q", "1"))
    except ValueError:
        return 0.0
