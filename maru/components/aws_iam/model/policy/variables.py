"""Policy variables: ${aws:username}, with a default ${aws:PrincipalTag/team, 'none'}, and ${*} ${?} ${$}.

A variable stands for the one value of a condition key. What it brings is text, never a wildcard. Where a
key has no value, or several, and the variable no default, what it stands in matches nothing.
Source: IAM User Guide, "IAM policy elements: Variables and tags".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from maru.components.aws_iam.model.policy.patterns import Matcher, glob
from maru.components.aws_iam.model.policy.request import Facts

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_DEFAULT = re.compile(r"\s*([^,]+?)\s*,\s*'([^']*)'\s*")
_LITERALS = {"*": "*", "?": "?", "$": "$"}
# Private use characters keep the place of letters that must not act as wildcards.
_STAR, _QUESTION = "\ue000", "\ue001"


@dataclass(frozen=True, slots=True)
class Template:
    """A text with variables. parts: literal text (str) and variables (a key in lower case, a default or None)."""

    parts: tuple[str | tuple[str, str | None], ...]

    def fill(self, facts: Facts) -> str | None:
        """The text, its own wildcards kept and those of values hidden; None if a variable has no value."""
        texts: list[str] = []
        for part in self.parts:
            if isinstance(part, str):
                texts.append(part)
                continue
            values = facts(part[0])
            value = values[0] if values is not None and len(values) == 1 else part[1]
            if value is None:
                return None
            texts.append(value.replace("*", _STAR).replace("?", _QUESTION))
        return "".join(texts)


def has_variable(text: str) -> bool:
    """Whether there is something to fill."""
    return "${" in text


def template(text: str) -> Template:
    """Read the variables of `text`."""
    parts: list[str | tuple[str, str | None]] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        if found.start() > end:
            parts.append(text[end : found.start()])
        name = found.group(1)
        if name in _LITERALS:
            parts.append({"*": _STAR, "?": _QUESTION, "$": "$"}[name])
        elif with_default := _DEFAULT.fullmatch(name):
            parts.append((with_default.group(1).lower(), with_default.group(2)))
        else:
            parts.append((name.strip().lower(), None))
        end = found.end()
    if end < len(text):
        parts.append(text[end:])
    return Template(tuple(parts))


def filled_matcher(filled: str, compile_pattern: Callable[[str], Matcher] = glob) -> Matcher:
    """A matcher for a filled text: hidden letters match themselves alone."""
    if _STAR not in filled and _QUESTION not in filled:
        return compile_pattern(filled)
    matches = compile_pattern(filled)
    return lambda value: matches(value.replace("*", _STAR).replace("?", _QUESTION)) or matches(value)


def plain(filled: str) -> str:
    """A filled text with the hidden letters shown, for comparing without wildcards."""
    return filled.replace(_STAR, "*").replace(_QUESTION, "?")
