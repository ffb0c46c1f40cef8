"""The Tagging element of a form's field, as the query string that headers bring.

Source: Amazon S3 API reference, "POST Object", the field tagging.
"""

from __future__ import annotations

from urllib.parse import urlencode
from xml.etree import ElementTree


def tags_of_xml(text: str) -> str:
    """Raises ElementTree.ParseError, also for a document type."""
    if "<!" in text:
        raise ElementTree.ParseError("a document type is not expected")
    root = ElementTree.fromstring(text)  # noqa: S314 - without a document type there are no entities to expand
    pairs = []
    for tag in root.iter():
        if tag.tag.rpartition("}")[2] == "Tag":
            parts = {part.tag.rpartition("}")[2]: part.text or "" for part in tag}
            pairs.append((parts.get("Key", ""), parts.get("Value", "")))
    return urlencode(pairs)
