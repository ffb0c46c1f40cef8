"""xml: a document becomes nested fields, or single values found by XPath 1.0.

Elements become lists (force_array) of objects, attributes plain fields (force_content: text under
"content"). Documents with a DTD are refused: their entities could expand without bound.
Source: Logstash reference, "Xml filter plugin"; Ruby's XmlSimple, whose shapes these are; XPath 1.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from maru.components.pipelines.model.event import Event
from maru.components.pipelines.model.filters.shape import Filter, Tools, per_event
from maru.components.pipelines.model.options import FilterOptions, options_of
from maru.core.document import Value
from maru.core.errors import Invalid
from maru.wire.logstash.references import Reference, parse_reference
from maru.wire.logstash.syntax import Plugin

if TYPE_CHECKING:
    from lxml.etree import _Element as Element

DOCUMENT_BYTES_MAX = 16 << 20
DEFAULT_PREFIX = "xmlns"  # what XPath names a namespace without a prefix by


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
    parse_options: str = ""
    ecs_compatibility: str = "v8"


def build(plugin: Plugin, tools: Tools) -> Filter:
    """Raises Invalid: store_xml without a target, an XPath that is not understood."""
    options = options_of(plugin, XmlOptions, "filter")
    if options.store_xml and not options.target:
        raise Invalid(what="xml", why="store_xml is true, and there is no target", fix='target => "doc"')
    if options.parse_options not in ("", "strict"):
        raise Invalid(what="xml", why=f"no parse_options {options.parse_options!r}", fix="strict, which is so anyway")
    source = parse_reference(options.source)
    target = parse_reference(options.target) if options.target else ()
    parse, finds = _parser(), [(_checked(path), parse_reference(field)) for path, field in options.xpath.items()]

    def is_successful(event: Event) -> bool:
        value = event.get(source)
        if value is None:
            return False
        try:
            text = value[0] if isinstance(value, list) and len(value) == 1 else value
            if not isinstance(text, str):
                raise TypeError("it is no text")
            if not text.strip():
                return False
            for field, found in _found(_searched(parse(text), options), finds, options):
                event.put(field, found)
            if options.store_xml:
                event.put(target, _fields(parse(text), options))
        except (SyntaxError, ValueError, TypeError):
            event.tag("_xmlparsefailure")
            return False
        return True

    return per_event(options, is_successful)


def _parser() -> Callable[[str], Element]:
    """Text to its root element. Raises SyntaxError, ValueError."""
    # Here, not above: processes without such a filter do not pay for it.
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)

    def parse(text: str) -> Element:
        if len(text) > DOCUMENT_BYTES_MAX:
            raise ValueError("the document is over 16 MiB")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError("the document has a DTD")
        return etree.fromstring(text.strip().encode(), parser)

    return parse


def _checked(path: str) -> str:
    from lxml import etree

    try:
        etree.XPath(path)
    except etree.XPathError as error:
        raise Invalid(what=f"xml xpath {path!r}", why=str(error), fix="correct the expression") from error
    return path


def _searched(root: Element, options: XmlOptions) -> Element:
    """The document as XPath sees it."""
    if not options.remove_namespaces:
        return root
    from lxml import etree

    for element in root.iter():
        element.tag = etree.QName(element).localname
    etree.cleanup_namespaces(root)
    return root


def _found(
    root: Element, finds: Sequence[tuple[str, Reference]], options: XmlOptions
) -> Sequence[tuple[Reference, list[str]]]:
    """What each expression finds, as texts. Raises ValueError."""
    from lxml import etree

    spaces = dict(options.namespaces) or {prefix or DEFAULT_PREFIX: uri for prefix, uri in root.nsmap.items()}
    out = []
    for path, field in finds:
        try:
            result = root.getroottree().xpath(path, namespaces=spaces)
        except etree.XPathError as error:
            raise ValueError(str(error)) from error
        texts = [_text(each) for each in (result if isinstance(result, list) else [result])]
        if texts:
            out.append((field, texts))
    return out


def _text(found: object) -> str:
    """Texts and attributes as they are, numbers as Ruby's, elements as they are written."""
    if isinstance(found, str):
        return str(found)
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, float):
        return str(found)
    return _written(found)


def _written(element: Element) -> str:
    """As it stands in its document: without the declarations that its parents make."""
    from lxml import etree

    text = etree.tostring(element, encoding="unicode", with_tail=False)
    parent = element.getparent()
    for prefix, uri in (parent.nsmap if parent is not None else {}).items():
        text = text.replace(f' xmlns{":" + prefix if prefix else ""}="{uri}"', "", 1)
    return str(text)


def _fields(element: Element, options: XmlOptions) -> object:
    """As XmlSimple: attributes (declarations of namespaces, too) and children by name; only text: the text itself."""
    found: Value = _attributes(element)
    for child in element:
        value = _fields(child, options)
        if value is None:
            continue
        name = child.tag.rpartition("}")[2]
        have = found.get(name)
        if isinstance(have, list):
            have.append(value)
        elif have is not None:
            found[name] = [have, value]
        else:
            found[name] = [value] if options.force_array else value
    text = (element.text or "") + "".join(child.tail or "" for child in element)
    if text.strip():
        if not found and not options.force_content:
            return text
        found["content"] = text
    if not found:
        return None if options.suppress_empty else {}
    return found


def _attributes(element: Element) -> Value:
    parent = element.getparent()
    above = parent.nsmap if parent is not None else {}
    by_uri = {uri: prefix for prefix, uri in element.nsmap.items() if prefix}
    found: Value = {
        f"xmlns:{prefix}" if prefix else "xmlns": uri
        for prefix, uri in element.nsmap.items()
        if above.get(prefix) != uri
    }
    for name, value in element.attrib.items():
        uri, _, local = name.rpartition("}")
        prefix = by_uri.get(uri[1:]) if uri else None
        found[f"{prefix}:{local}" if prefix else local] = value
    return found
