"""Cross-origin requests: which rule of a bucket lets a page's request through, and what it is told.

Source: Amazon S3 User Guide, "Using cross-origin resource sharing"; Fetch standard, "CORS protocol".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from maru.core.document import Value

_VARY = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"


def headers_for(
    rules: Sequence[Value], origin: str, method: str, wanted: Sequence[str] = (), *, is_preflight: bool = False
) -> Mapping[str, str] | None:
    """The headers of the answer by the first rule that fits; None if none does. wanted: the headers asked for."""
    for rule in rules:
        allowed = next((one for one in rule["AllowedOrigins"] if _fits(origin, one)), None)
        if allowed is None or method not in rule["AllowedMethods"]:
            continue
        patterns = [header.lower() for header in rule.get("AllowedHeaders") or []]
        if not all(any(_fits(header.lower(), one) for one in patterns) for header in wanted):
            continue
        headers = {
            "Access-Control-Allow-Origin": "*" if allowed == "*" else origin,
            "Access-Control-Allow-Methods": ", ".join(rule["AllowedMethods"]),
            "Vary": _VARY,
        }
        if allowed != "*":
            headers["Access-Control-Allow-Credentials"] = "true"
        if wanted:
            headers["Access-Control-Allow-Headers"] = ", ".join(header.lower() for header in wanted)
        if rule.get("ExposeHeaders"):
            headers["Access-Control-Expose-Headers"] = ", ".join(rule["ExposeHeaders"])
        if rule.get("MaxAgeSeconds") is not None and is_preflight:
            headers["Access-Control-Max-Age"] = str(rule["MaxAgeSeconds"])
        return headers
    return None


def _fits(text: str, pattern: str) -> bool:
    """A pattern has one star at most; other signs stand for themselves."""
    if "*" not in pattern:
        return text == pattern
    return fnmatchcase(text, pattern.replace("[", "[[]").replace("?", "[?]"))
