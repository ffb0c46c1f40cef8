"""xml: a document becomes nested fields, or single values found by XPath.

Elements become lists (force_array) of objects, attributes plain fields (force_content: text under
"content"). Documents with a DTD are refused: their entities could expand without bound.
Source: Logstash reference, "Xml filter plugin"; Ruby's XmlSimple, whose shapes these are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar
from xml.etree import ElementTree

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.logstash.references import parse_reference
from maru.wire.logstash.syntax import Plugin

DOCUMENT_BYTES_MAX = 16 << 20


class XmlOptions(FilterOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """xpath: expression to field; the values found are a list."""

    without_effect: ClassVar[frozenset[str]] = frozenset(["ecs_compatibility"])

    source: str
    target: str = ""
    store_xml: bool = True
    xpath: Mapping[str, str] = {}
    namespaces: Mapping[str, str] = {}
    remove_namespaces: bool = False
    force_array: bool = True
    force_content: bool = False
    suppress_empty: bool = True
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: store_xml without a target, an XPath that is not understood."""
    options = options_of(plugin, XmlOptions, "filter")
    if options.store_xml and not options.target:
        raise Invalid(what="xml", why="store_xml is true, and there is no target", fix='target => "doc"')
    source = parse_reference(options.source)
    target = parse_reference(options.target) if options.target else ()
    finds = [(_Path(written, options.namespaces), parse_reference(field)) for written, field in options.xpath.items()]

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        if value is None:
            return False
        text = value[0] if isinstance(value, list) and value else value
        if not isinstance(text, str) or not text.strip():
            return False
        try:
            root = _parsed(text)
        except (ElementTree.ParseError, ValueError):
            event.tag("_xmlparsefailure")
            return False
        if options.remove_namespaces:
            for element in root.iter():
                element.tag = element.tag.rpartition("}")[2]
        for path, field in finds:
            found = path.values(root)
            if found:
                event.put(field, found)
        if options.store_xml:
            event.put(target, _fields(root, options))
        return True

    return per_event(options, is_successful)


class _Path:
    """An XPath of the kinds that ElementTree knows, with /@name or /text() at its end."""

    def __init__(self, written: str, namespaces: Mapping[str, str]) -> None:
        self._namespaces = dict(namespaces)
        self._attribute = ""
        path = written.removesuffix("/text()")
        self._is_text = path != written
        if "/@" in path:
            path, self._attribute = path.rsplit("/@", 1)
        self._is_absolute = path.startswith("/") and not path.startswith("//")
        self._path = path.lstrip("/") if self._is_absolute else f".{path}" if path.startswith("//") else path
        try:
            ElementTree.Element("a").findall(self._path, self._namespaces)
        except (SyntaxError, KeyError) as error:
            raise Invalid(
                what=f"xml xpath {written!r}", why=f"it is not supported here: {error}", fix="use a plain path"
            ) from error

    def values(self, root: ElementTree.Element) -> Sequence[str]:
        """Texts, attributes, or elements as they are written."""
        holder = root
        if self._is_absolute or self._path.startswith(".//"):
            holder = ElementTree.Element("document")
            holder.append(root)
        found = holder.findall(self._path, self._namespaces)
        if self._attribute:
            return [element.attrib[self._attribute] for element in found if self._attribute in element.attrib]
        if self._is_text:
            return [element.text for element in found if element.text]
        return [ElementTree.tostring(element, encoding="unicode").rstrip() for element in found]


def _parsed(text: str) -> ElementTree.Element:
    if len(text) > DOCUMENT_BYTES_MAX:
        raise ValueError("the document is over 16 MiB")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("the document has a DTD")
    return ElementTree.fromstring(text)  # noqa: S314 - DTDs are refused above


def _fields(element: ElementTree.Element, options: XmlOptions) -> object:
    """As XmlSimple: attributes and children by name; only text: the text itself."""
    found: Value = dict(element.attrib)
    for child in element:
        value = _fields(child, options)
        if value is None:
            continue
        have = found.get(child.tag)
        if isinstance(have, list):
            have.append(value)
        elif have is not None:
            found[child.tag] = [have, value]
        else:
            found[child.tag] = [value] if options.force_array else value
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    if text.strip():
        if not found and not options.force_content:
            return text
        found["content"] = text
    if not found:
        return None if options.suppress_empty else {}
    return found
