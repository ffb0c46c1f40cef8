"""Lifecycle rules: are they well formed, which object do they concern, and when does it expire.

A day ends at midnight UTC: what was made at some time of a day expires at the first midnight after the
rule's days have passed. Source: Amazon S3 User Guide, "Managing the lifecycle of objects".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from maru.components.aws_s3.errors import bad_argument, refusal
from maru.core.clock import parse_rfc3339, rfc3339
from maru.core.document import Value

SETTING = "LifecycleConfiguration"
RULES_MAX = 1000
DAY_S = 86_400.0
SIZE_LEAST = 128 * 1024
"""Smaller objects do not change class by rules without a size filter."""
_DEFAULT_SIZE = "all_storage_classes_128K"
_SIZES = (_DEFAULT_SIZE, "varies_by_storage_class")
_TRANSITIONS = ("GLACIER", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "DEEP_ARCHIVE", "GLACIER_IR")
_WARMTH = ("STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ONEZONE_IA", "GLACIER_IR", "GLACIER", "DEEP_ARCHIVE")
_ACTIONS = (
    "Expiration",
    "Transitions",
    "NoncurrentVersionTransitions",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
    "Transition",
    "NoncurrentVersionTransition",
)


@dataclass(frozen=True, slots=True)
class Thing:
    """What a rule is asked about."""

    key: str
    size_bytes: int
    tags: Mapping[str, str]
    modified_ms: int


def checked(members: Value) -> Value:
    """As it is kept: dates as text, ids given. Raises MalformedXML, InvalidArgument, InvalidRequest."""
    rules = members.get("Rules") or []
    if not 1 <= len(rules) <= RULES_MAX:
        raise refusal("MalformedXML")
    kept = [_checked_rule(rule, number) for number, rule in enumerate(rules)]
    ids = [rule["ID"] for rule in kept]
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise bad_argument("Rule ID must be unique. Found same ID for more than one rule", "ID", twice)
    return {"Rules": kept}


def told(members: Value) -> Value:
    """As the API answers it: dates are moments again."""
    rules = []
    for rule in members["Rules"]:
        shown = dict(rule)
        for name in ("Expiration", "Transitions"):
            part = shown.get(name)
            if isinstance(part, dict) and "Date" in part:
                shown[name] = {**part, "Date": parse_rfc3339(part["Date"])}
            elif isinstance(part, list):
                shown[name] = [{**one, "Date": parse_rfc3339(one["Date"])} if "Date" in one else one for one in part]
        rules.append(shown)
    return {"Rules": rules, "TransitionDefaultMinimumObjectSize": _DEFAULT_SIZE}


def concerns(rule: Mapping[str, object], thing: Thing) -> bool:
    """Whether an enabled rule's filter lets the object through."""
    if rule.get("Status") != "Enabled":
        return False
    wanted = _filter(rule)
    return (
        thing.key.startswith(str(wanted.get("Prefix") or ""))
        and all(thing.tags.get(tag["Key"]) == tag["Value"] for tag in wanted.get("Tags", []))
        and thing.size_bytes > int(wanted.get("ObjectSizeGreaterThan", -1))
        and thing.size_bytes < int(wanted.get("ObjectSizeLessThan", 1 << 62))
    )


def prefix_of(rule: Mapping[str, object]) -> str:
    """What the keys of a rule begin with."""
    return str(_filter(rule).get("Prefix") or "")


def expires_at(modified_ms: int, days: int, day_s: float = DAY_S) -> datetime:
    """The moment: midnight after `days`, or (with shorter days) just so much later."""
    at = datetime.fromtimestamp(modified_ms / 1000, UTC) + timedelta(seconds=days * day_s)
    if day_s != DAY_S:
        return at
    midnight = at.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == at else midnight + timedelta(days=1)


def expiration_of(
    rules: Sequence[Mapping[str, object]], thing: Thing, day_s: float = DAY_S
) -> tuple[datetime, str] | None:
    """When the current version expires, and by which rule: the earliest."""
    found: list[tuple[datetime, str]] = []
    for rule in rules:
        expiration = rule.get("Expiration")
        if not isinstance(expiration, dict) or not concerns(rule, thing):
            continue
        if "Date" in expiration:
            found.append((parse_rfc3339(expiration["Date"]), str(rule["ID"])))
        elif expiration.get("Days"):
            found.append((expires_at(thing.modified_ms, expiration["Days"], day_s), str(rule["ID"])))
    return min(found, default=None)


def class_of(rules: Sequence[Mapping[str, object]], thing: Thing, had: str, now: datetime, day_s: float = DAY_S) -> str:
    """The storage class the current version is to have by now: the coldest that is due, never a warmer one."""
    due = [had]
    for rule in rules:
        transitions = rule.get("Transitions")
        if not isinstance(transitions, list) or not _moves(rule, thing):
            continue
        for transition in transitions:
            if "Date" in transition:
                at = parse_rfc3339(transition["Date"])
            else:
                at = expires_at(thing.modified_ms, transition["Days"], day_s)
            if at <= now:
                due.append(transition["StorageClass"])
    return max((name for name in due if name in _WARMTH), key=_WARMTH.index, default=had)


def noncurrent_class_of(
    rules: Sequence[Mapping[str, object]], thing: Thing, newer: tuple[int, int], now: datetime, day_s: float = DAY_S
) -> str:
    """As `class_of` for a version that is not current, "" for none. newer: since when (ms), and how many are newer."""
    since_ms, count = newer
    due: list[str] = []
    for rule in rules:
        transitions = rule.get("NoncurrentVersionTransitions")
        if not isinstance(transitions, list) or not _moves(rule, thing):
            continue
        due += [
            one["StorageClass"]
            for one in transitions
            if count - 1 >= int(one.get("NewerNoncurrentVersions") or 0)
            and expires_at(since_ms, one["NoncurrentDays"], day_s) <= now
        ]
    return max(due, key=_WARMTH.index, default="")


def is_colder(name: str, than: str) -> bool:
    """Whether a storage class lies behind another on the way that transitions take."""
    return name in _WARMTH and than in _WARMTH and _WARMTH.index(name) > _WARMTH.index(than)


def minimum_of(asked: object) -> str:
    """TransitionDefaultMinimumObjectSize of a request. Raises InvalidRequest, NotImplemented."""
    name = str(asked or _DEFAULT_SIZE)
    if name not in _SIZES:
        raise refusal("InvalidRequest", f"Invalid TransitionDefaultMinimumObjectSize found: {name}")
    if name != _DEFAULT_SIZE:
        raise refusal("NotImplemented", f"The default minimum object size {name} is not implemented.")
    return name


def _moves(rule: Mapping[str, object], thing: Thing) -> bool:
    has_size = "ObjectSizeGreaterThan" in _filter(rule) or "ObjectSizeLessThan" in _filter(rule)
    return concerns(rule, thing) and (has_size or thing.size_bytes >= SIZE_LEAST)


def expiration_header(found: tuple[datetime, str] | None) -> str | None:
    """As x-amz-expiration shows it."""
    if found is None:
        return None
    return f'expiry-date="{found[0].strftime("%a, %d %b %Y %H:%M:%S GMT")}", rule-id="{found[1]}"'


def _filter(rule: Mapping[str, object]) -> Value:
    given = rule.get("Filter")
    if not isinstance(given, dict):
        return {"Prefix": rule.get("Prefix")}
    combined = given.get("And")
    if isinstance(combined, dict):
        return combined
    return {**given, "Tags": [given["Tag"]]} if given.get("Tag") else given


def _checked_rule(rule: Value, number: int) -> Value:
    if rule.get("Status") not in ("Enabled", "Disabled"):
        raise refusal("MalformedXML")
    if not any(rule.get(name) for name in _ACTIONS):
        raise refusal("InvalidRequest", "At least one action needs to be specified in a rule")
    if rule.get("Filter") is None and rule.get("Prefix") is None:
        raise refusal("MalformedXML")
    if rule.get("Filter") is not None and rule.get("Prefix") is not None:
        raise refusal("MalformedXML")
    _check_filter(rule.get("Filter"))
    kept = {name: value for name, value in rule.items() if value is not None}
    rule_id = str(rule.get("ID") or f"rule-{number:04d}")
    if len(rule_id) > 255:
        raise bad_argument("ID length should not exceed allowed limit of 255", "ID", rule_id)
    kept["ID"] = rule_id
    expiration = rule.get("Expiration")
    if expiration is not None:
        kept["Expiration"] = _checked_expiration(expiration, rule)
    noncurrent = rule.get("NoncurrentVersionExpiration")
    if noncurrent is not None:
        _check_positive(noncurrent.get("NoncurrentDays"), "NoncurrentDays", "NoncurrentVersionExpiration")
    abort = rule.get("AbortIncompleteMultipartUpload")
    if abort is not None:
        _check_positive(abort.get("DaysAfterInitiation"), "DaysAfterInitiation", "AbortIncompleteMultipartUpload")
        if _filter(rule).get("Tags"):
            raise refusal("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags.")
    if rule.get("Transitions"):
        kept["Transitions"] = [_checked_transition(one) for one in rule["Transitions"]]
    for transition in rule.get("NoncurrentVersionTransitions") or []:
        _check_class(transition)
        _check_positive(transition.get("NoncurrentDays"), "NoncurrentDays", "NoncurrentVersionTransition")
    return kept


def _checked_transition(transition: Value) -> Value:
    _check_class(transition)
    days, date = transition.get("Days"), transition.get("Date")
    if (days is None) == (date is None):
        raise refusal("MalformedXML")
    if days is not None:
        if days < 0:
            raise bad_argument("'Days' in Transition action must be nonnegative", "Days", days)
        return transition
    if not isinstance(date, datetime) or (date.hour, date.minute, date.second) != (0, 0, 0):
        raise bad_argument("'Date' must be at midnight GMT", "Date", date)
    return {**transition, "Date": rfc3339(date)}


def _check_class(transition: Value) -> None:
    if transition.get("StorageClass") not in _TRANSITIONS:
        raise refusal("MalformedXML")


def _checked_expiration(expiration: Value, rule: Value) -> Value:
    given = [name for name in ("Days", "Date", "ExpiredObjectDeleteMarker") if expiration.get(name) is not None]
    if len(given) != 1:
        raise refusal("MalformedXML")
    if given == ["Days"]:
        _check_positive(expiration["Days"], "Days", "Expiration")
    if given == ["ExpiredObjectDeleteMarker"] and _filter(rule).get("Tags"):
        raise refusal("InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags.")
    if given != ["Date"]:
        return {given[0]: expiration[given[0]]}
    date = expiration["Date"]
    if not isinstance(date, datetime) or (date.hour, date.minute, date.second) != (0, 0, 0):
        raise bad_argument("'Date' must be at midnight GMT", "Date", date)
    return {"Date": rfc3339(date)}


def _check_positive(count: object, name: str, action: str) -> None:
    if count is None:
        raise refusal("MalformedXML")
    if not isinstance(count, int) or count <= 0:
        raise bad_argument(f"'{name}' for {action} action must be a positive integer", name, count)


def _check_filter(given: object) -> None:
    if not isinstance(given, dict):
        return
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise refusal("MalformedXML")
    combined = given.get("And")
    if isinstance(combined, dict):
        tags = [tag["Key"] for tag in combined.get("Tags") or []]
        if len(set(tags)) != len(tags):
            raise refusal("InvalidRequest", "Duplicate Tag Keys are not allowed.")
        if len([name for name, value in combined.items() if value not in (None, [])]) + max(len(tags) - 1, 0) < 2:
            raise refusal("MalformedXML")
