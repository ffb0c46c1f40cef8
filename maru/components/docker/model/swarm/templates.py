"""Go templates in what a service says of its containers: {{.Task.Slot}} and its like.

Only what Docker names is known: fields of Service, Node and Task, and in templated configs and secrets the
functions env, secret and config; everything else is an error, as it would be there.
Source: Docker's documentation, `docker service create`, "Create services using templates"; "Use templated config".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

_PART = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_CALL = re.compile(r'(env|secret|config)\s+"([^"]*)"')
_LABEL = re.compile(r'(?:index\s+\.(Service|Node)\.Labels\s+"([^"]+)"|\.(Service|Node)\.Labels\.(\w+))')

Lookup = Callable[[str, str], str]
"""The value of env, secret or config by name. Raises ValueError."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a template is about. slot: 0 for a task of a global service."""

    service_id: str
    service_name: str
    service_labels: Mapping[str, str]
    node_id: str
    hostname: str
    os: str
    architecture: str
    task_id: str
    task_name: str
    slot: int
    node_labels: Mapping[str, str]

    def fields(self) -> Mapping[str, str]:
        """By their Go names."""
        return {
            ".Service.ID": self.service_id,
            ".Service.Name": self.service_name,
            ".Node.ID": self.node_id,
            ".Node.Hostname": self.hostname,
            ".Node.Platform.OS": self.os,
            ".Node.Platform.Architecture": self.architecture,
            ".Task.ID": self.task_id,
            ".Task.Name": self.task_name,
            ".Task.Slot": str(self.slot) if self.slot else self.node_id,
        }


def expand(text: str, context: Context, lookup: Lookup | None = None) -> str:
    """The text with its templates filled in. Raises ValueError."""

    def value(match: re.Match[str]) -> str:
        expression = match[1]
        if expression.startswith("/*"):
            return ""
        found = context.fields().get(expression)
        if found is not None:
            return found
        label = _LABEL.fullmatch(expression)
        if label is not None:
            owner, name = label[1] or label[3], label[2] or label[4]
            return (context.service_labels if owner == "Service" else context.node_labels).get(name, "")
        call = _CALL.fullmatch(expression)
        if call is not None and lookup is not None:
            return lookup(call[1], call[2])
        raise ValueError(f"expanding template failed: template: expansion: unknown expression <{expression}>")

    return _PART.sub(value, text) if "{{" in text else text
