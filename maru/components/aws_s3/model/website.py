"""Static websites: which key a path means, which rule redirects it, and the pages of errors.

Source: Amazon S3 User Guide, "Hosting a static website", "Configuring a webpage redirect", "Website endpoints".
"""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from maru.core.document import Value

_REASONS = {
    "301": "Moved Permanently",
    "400": "Bad Request",
    "403": "Forbidden",
    "404": "Not Found",
    "405": "Method Not Allowed",
    "500": "Internal Server Error",
}


def key_of(path: str, suffix: str) -> str:
    """The key that a path means: folders by their index document."""
    return path + suffix if not path or path.endswith("/") else path


def redirect_of(setting: Value, path: str, error_status: int | None = None) -> tuple[int, str] | None:
    """(status, location) by the first routing rule that fits a path, or the error it met.

    A location without host is the site's own.
    """
    for rule in setting.get("RoutingRules") or []:
        condition = rule.get("Condition") or {}
        code, prefix = condition.get("HttpErrorCodeReturnedEquals"), condition.get("KeyPrefixEquals")
        if (code is None) != (error_status is None) or (code is not None and str(code) != str(error_status)):
            continue
        if prefix is not None and not path.startswith(prefix):
            continue
        redirect = rule["Redirect"]
        key = path
        if redirect.get("ReplaceKeyWith") is not None:
            key = redirect["ReplaceKeyWith"]
        elif redirect.get("ReplaceKeyPrefixWith") is not None:
            key = redirect["ReplaceKeyPrefixWith"] + path.removeprefix(prefix or "")
        return int(redirect.get("HttpRedirectCode") or 301), location_of(redirect, key)
    return None


def location_of(redirect: Value, key: str) -> str:
    """Where a redirect leads. redirect: HostName and Protocol, either may be missing."""
    path = "/" + quote(key, safe="/~")
    if not redirect.get("HostName"):
        return path
    return f"{redirect.get('Protocol') or 'http'}://{redirect['HostName']}{path}"


def error_page(status: int, code: str, text: str, facts: Value) -> bytes:
    """The page that S3 shows where a site has none of its own."""
    title = f"{status} {_REASONS.get(str(status), 'Error')}"
    lines = [f"<li>Code: {escape(code)}</li>", f"<li>Message: {escape(text)}</li>"]
    lines += [f"<li>{escape(name)}: {escape(str(value))}</li>" for name, value in facts.items()]
    items = "\n".join(lines)
    head = f"<html>\n<head><title>{title}</title></head>\n<body>\n<h1>{title}</h1>\n<ul>\n"
    return f"{head}{items}\n</ul>\n<hr/>\n</body>\n</html>\n".encode()
