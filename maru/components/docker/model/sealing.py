"""The environment of containers, which often holds passwords, is sealed in their documents.

In memory a container has it as `config.Env`; in the document it is one text under `environment`, bound to the
container's id. A document of an earlier version has it in the clear, and is read as it is.
Source: docs/adr/0010-environments.md; contracts/sealer.py.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from maru.components.docker.model.container import Container
from maru.contracts.sealer import Sealer
from maru.core.document import Value
from maru.core.errors import Broken

ENVIRONMENT_KEY = "environment.key"  # the file with the key, kept with backups of the store


def is_clear(spec: Value) -> bool:
    """Whether a document's spec shows an environment."""
    return bool((spec.get("config") or {}).get("Env"))


def sealed_spec(container: Container, sealer: Sealer) -> Value:
    """The document's spec of a container; one whose environment could not be opened keeps it as it was."""
    spec: Value = msgspec.to_builtins(container)
    entries = spec["config"].pop("Env", None)
    if entries:
        spec["environment"] = seal_entries(entries, _context(container.id), sealer)
    return spec


def opened(container: Container, sealer: Sealer) -> bool:
    """Put the environment back into `config`; False when the key is another one, and it stays sealed."""
    if not container.environment:
        return True
    entries = open_entries(container.environment, _context(container.id), sealer)
    if entries is None:
        return False
    container.config["Env"] = entries
    container.environment = ""
    return True


def seal_entries(entries: Sequence[str], context: bytes, sealer: Sealer) -> str:
    """An environment as a document has it."""
    return base64.b64encode(sealer.seal(msgspec.json.encode(entries), context)).decode()


def open_entries(text: str, context: bytes, sealer: Sealer) -> list[str] | None:
    """None when it was sealed under another key, for another document, or is no such text."""
    with suppress(Broken, binascii.Error, msgspec.MsgspecError):
        return msgspec.json.decode(sealer.open(base64.b64decode(text, validate=True), context), type=list[str])
    return None


def _context(container_id: str) -> bytes:
    return f"environment of container {container_id}".encode()
