"""The environment of containers, which often holds passwords, is sealed in their documents.

In memory a container has it as `config.Env`; in the document it is one text under `environment`, bound to the
container's id. A document of an earlier version has it in the clear, and is read as it is.
Source: docs/adr/0010-environments.md; contracts/sealer.py.
"""

from __future__ import annotations

import base64
import binascii
from contextlib import suppress

import msgspec

from maru.components.docker.model.container import Container
from maru.contracts.sealer import Sealer
from maru.core.document import Value
from maru.core.errors import Broken


def is_clear(spec: Value) -> bool:
    """Whether a document's spec shows an environment."""
    return bool((spec.get("config") or {}).get("Env"))


def sealed_spec(container: Container, sealer: Sealer) -> Value:
    """The document's spec of a container; one whose environment could not be opened keeps it as it was."""
    spec: Value = msgspec.to_builtins(container)
    entries = spec["config"].pop("Env", None)
    if entries:
        sealed = sealer.seal(msgspec.json.encode(entries), _context(container.id))
        spec["environment"] = base64.b64encode(sealed).decode()
    return spec


def opened(container: Container, sealer: Sealer) -> bool:
    """Put the environment back into `config`; False when the key is another one, and it stays sealed."""
    if not container.environment:
        return True
    with suppress(Broken, binascii.Error, msgspec.MsgspecError):
        sealed = base64.b64decode(container.environment, validate=True)
        plain = sealer.open(sealed, _context(container.id))
        container.config["Env"] = msgspec.json.decode(plain, type=list[str])
        container.environment = ""
        return True
    return False


def _context(container_id: str) -> bytes:
    return f"environment of container {container_id}".encode()
