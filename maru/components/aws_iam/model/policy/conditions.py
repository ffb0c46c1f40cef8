"""Condition operators: each is compiled to one function of the request's facts.

Several values of one key are alternatives, several keys and operators must all hold. A negated operator
holds for a missing key, others do not; ...IfExists holds for a missing key; ForAllValues holds for no values,
ForAnyValue does not. Null asks whether a key is missing.
Source: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Multivalued context keys".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from maru.components.aws_iam.model.policy.patterns import Matcher, arn_glob, glob
from maru.components.aws_iam.model.policy.request import Facts
from maru.components.aws_iam.model.policy.variables import (
    Template,
    filled_matcher,
    has_variable,
    plain,
    template,
)

Condition = Callable[[Facts], bool]
Test = Callable[[str, Facts], bool]
"""Whether one value of the request matches any value of the policy."""

_IF_EXISTS = "ifexists"
_FOR_ALL, _FOR_ANY = "forallvalues:", "foranyvalue:"


def operators() -> frozenset[str]:
    """All there are, in lower case, without ForAllValues:, ForAnyValue: and IfExists."""
    return frozenset([*_TEXTS, *_ORDERED, "null", "bool", "binaryequals", "ipaddress", "notipaddress"])


def is_operator(name: str) -> bool:
    """Whether `name` is a condition operator, with whatever stands before and after it."""
    return _split(name)[1] in operators()


def compile_condition(operator: str, key: str, values: Sequence[str], *, has_variables: bool) -> Condition:
    """One operator over one key. An operator there is not never holds."""
    quantifier, base, if_exists = _split(operator)
    key = key.lower()
    if base == "null":
        wants_missing = any(value.lower() == "true" for value in values)
        return lambda facts: (not facts(key)) == wants_missing
    negated = base in _NEGATED
    test = _test(base, values, has_variables=has_variables)
    if test is None:
        return lambda facts: False

    def holds(facts: Facts) -> bool:
        have = facts(key)
        if have is None:
            return if_exists or (quantifier == _FOR_ALL) or (negated and quantifier != _FOR_ANY)
        if quantifier == _FOR_ALL:
            return all(test(value, facts) != negated for value in have)
        if quantifier == _FOR_ANY:
            return any(test(value, facts) != negated for value in have)
        if negated:
            return not any(test(value, facts) for value in have)
        return any(test(value, facts) for value in have)

    return holds


def compile_block(block: Mapping[str, Mapping[str, object]], *, has_variables: bool) -> tuple[Condition, ...]:
    """A whole Condition element."""
    return tuple(
        compile_condition(operator, key, as_texts(values), has_variables=has_variables)
        for operator, keys in block.items()
        for key, values in keys.items()
    )


def as_texts(values: object) -> tuple[str, ...]:
    """A value or a list of them, as text: booleans as true and false, numbers as they are written."""
    if isinstance(values, list | tuple):
        return tuple(_text(value) for value in values)
    return (_text(values),)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _split(operator: str) -> tuple[str, str, bool]:
    """(quantifier, base, whether IfExists), all in lower case."""
    name = operator.lower()
    quantifier = ""
    for prefix in (_FOR_ALL, _FOR_ANY):
        if name.startswith(prefix):
            quantifier, name = prefix, name.removeprefix(prefix)
    if name.endswith(_IF_EXISTS):
        return quantifier, name.removesuffix(_IF_EXISTS), True
    return quantifier, name, False


def _test(base: str, values: Sequence[str], *, has_variables: bool) -> Test | None:
    if base in _TEXTS:
        return _text_test(values, _TEXTS[base], has_variables=has_variables)
    if base in _ORDERED:
        parse, compare = _ORDERED[base]
        wanted = [number for number in map(parse, values) if number is not None]
        return lambda value, facts: (have := parse(value)) is not None and any(compare(have, want) for want in wanted)
    if base == "bool":
        allowed = frozenset(value.lower() for value in values)
        return lambda value, facts: value.lower() in allowed
    if base == "binaryequals":
        wanted_bytes = [_decoded(value) for value in values]
        return lambda value, facts: _decoded(value) in wanted_bytes
    if base in ("ipaddress", "notipaddress"):
        networks = [network for network in map(_network, values) if network is not None]
        return lambda value, facts: _is_within(value, networks)
    return None


def _text_test(values: Sequence[str], compare: Callable[[str], Matcher], *, has_variables: bool) -> Test:
    fixed: list[Matcher] = []
    templates: list[Template] = []
    for value in values:
        if has_variables and has_variable(value):
            templates.append(template(value))
        else:
            fixed.append(compare(value))
    is_wild = compare in (glob, arn_glob)

    def test(value: str, facts: Facts) -> bool:
        if any(matches(value) for matches in fixed):
            return True
        for unfilled in templates:
            filled = unfilled.fill(facts)
            if filled is None:
                continue
            matches = filled_matcher(filled, compare) if is_wild else compare(plain(filled))
            if matches(value):
                return True
        return False

    return test


def _equal(text: str) -> Matcher:
    return text.__eq__


def _equal_ignoring_case(text: str) -> Matcher:
    folded = text.lower()
    return lambda value: value.lower() == folded


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _moment(text: str) -> float | None:
    """Seconds since 1970 of an ISO 8601 moment, or of a number of seconds."""
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_within(text: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return any(address.version == network.version and address in network for network in networks)


_TEXTS: Mapping[str, Callable[[str], Matcher]] = {
    "stringequals": _equal,
    "stringnotequals": _equal,
    "stringequalsignorecase": _equal_ignoring_case,
    "stringnotequalsignorecase": _equal_ignoring_case,
    "stringlike": glob,
    "stringnotlike": glob,
    "arnequals": arn_glob,
    "arnlike": arn_glob,
    "arnnotequals": arn_glob,
    "arnnotlike": arn_glob,
}
_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "equals": float.__eq__,
    "notequals": float.__eq__,
    "lessthan": float.__lt__,
    "lessthanequals": float.__le__,
    "greaterthan": float.__gt__,
    "greaterthanequals": float.__ge__,
}
_ORDERED: Mapping[str, tuple[Callable[[str], float | None], Callable[[float, float], bool]]] = {
    f"{kind}{name}": (parse, compare)
    for kind, parse in (("numeric", _number), ("date", _moment))
    for name, compare in _COMPARISONS.items()
}
_NEGATED = frozenset(name for name in (*_TEXTS, *_ORDERED) if "not" in name) | {"notipaddress"}
