"""The query parameters of the verbs, read once at the edge.

Source: meta/v1 ListOptions, CreateOptions, UpdateOptions, PatchOptions, DeleteOptions and their
validation in k8s.io/apimachinery/pkg/apis/meta/v1/validation and pkg/apis/meta/internalversion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from maru.components.apiserver.errors import bad_request, invalid_options
from maru.core.document import Value
from maru.core.errors import Invalid

Query = Callable[[str], str]
"""The first value of a parameter, "" if it is not there."""

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"", "0", "f", "F", "false", "FALSE", "False"})
FIELD_VALIDATION = frozenset({"", "Ignore", "Warn", "Strict"})
PROPAGATION = frozenset({"", "Background", "Foreground", "Orphan"})


@dataclass(frozen=True, slots=True)
class ListOptions:
    """limit: 0 is no bound. version, match: resourceVersion and resourceVersionMatch. timeout_s: 0 is the server's."""

    labels: str = ""
    fields: str = ""
    limit: int = 0
    continuation: str = ""
    version: str = ""
    match: str = ""
    watch: bool = False
    bookmarks: bool = False
    initial_events: bool | None = None
    timeout_s: float = 0.0


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a create, update or patch is done. field_manager: fieldManager; force: of an apply."""

    dry_run: bool = False
    field_manager: str = ""
    validation: str = "Warn"
    force: bool = False


@dataclass(frozen=True, slots=True)
class RemoveOptions:
    """How a delete is done. propagation "" is the kind's own; grace_s None is the document's own."""

    dry_run: bool = False
    grace_s: int | None = None
    propagation: str = ""
    uid: str = ""
    version: str = ""


def read_list(query: Query) -> ListOptions:
    """Raises 400 for what cannot be read or does not go together."""
    initial_text = query("sendInitialEvents")
    options = ListOptions(
        labels=query("labelSelector"),
        fields=query("fieldSelector"),
        limit=_whole(query, "limit"),
        continuation=query("continue"),
        version=query("resourceVersion"),
        match=query("resourceVersionMatch"),
        watch=_flag(query, "watch"),
        bookmarks=_flag(query, "allowWatchBookmarks"),
        initial_events=_flag(query, "sendInitialEvents") if initial_text else None,
        timeout_s=float(_whole(query, "timeoutSeconds")),
    )
    check_list(options)
    return options


def check_list(options: ListOptions) -> None:
    """The rules between list parameters. Raises 400 or 422 as the real server words them."""
    if options.watch:
        _check_watch(options)
        return
    if options.initial_events is not None:
        raise _invalid_list("sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list")
    if options.match:
        if options.continuation:
            raise _invalid_list(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided"
            )
        if not options.version:
            raise _invalid_list(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
            )
        if options.match not in ("Exact", "NotOlderThan"):
            raise _invalid_list(
                f'resourceVersionMatch: Unsupported value: "{options.match}": '
                'supported values: "Exact", "NotOlderThan", ""'
            )
        if options.match == "Exact" and options.version == "0":
            raise _invalid_list(
                'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"'
            )
    if options.continuation and options.version not in ("", "0"):
        raise bad_request("specifying resource version is not allowed when using continue")


def read_write(query: Query) -> WriteOptions:
    """Raises 400 or 422."""
    validation = query("fieldValidation")
    if validation not in FIELD_VALIDATION:
        raise _invalid_options(
            f'fieldValidation: Unsupported value: "{validation}": supported values: "", "Ignore", "Strict", "Warn"'
        )
    field_manager = query("fieldManager")
    if len(field_manager) > 128:
        raise _invalid_options("fieldManager: Too long: may not be more than 128 bytes")
    if not field_manager.isprintable():
        raise _invalid_options(
            f'fieldManager: Invalid value: "{field_manager}": should only contain printable characters'
        )
    return WriteOptions(_dry_run(query("dryRun")), field_manager, validation or "Warn", _flag(query, "force"))


def read_remove(query: Query, body: Value) -> RemoveOptions:
    """The options of a delete: from the body where there is one, else from the query."""
    if body:
        kind = body.get("kind", "DeleteOptions")
        if kind != "DeleteOptions":
            raise bad_request(f"expected DeleteOptions, got {kind}")
        return _remove_of(body, query)
    grace = query("gracePeriodSeconds")
    orphan = query("orphanDependents")
    propagation = query("propagationPolicy")
    if orphan and not propagation:
        propagation = "Orphan" if orphan in _TRUE else "Background"
    return _checked(
        RemoveOptions(_dry_run(query("dryRun")), _whole(query, "gracePeriodSeconds") if grace else None, propagation)
    )


def _remove_of(body: Value, query: Query) -> RemoveOptions:
    preconditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds")
    if grace is not None and (not isinstance(grace, int) or isinstance(grace, bool)):
        raise bad_request("gracePeriodSeconds must be a whole number")
    propagation = body.get("propagationPolicy") or query("propagationPolicy")
    if not propagation and body.get("orphanDependents") is not None:
        propagation = "Orphan" if body["orphanDependents"] else "Background"
    dry_run = body.get("dryRun") or []
    if any(choice != "All" for choice in dry_run):
        raise _invalid_options(f'dryRun: Unsupported value: "{dry_run[0]}": supported values: "All"')
    return _checked(
        RemoveOptions(
            bool(dry_run) or _dry_run(query("dryRun")),
            grace,
            propagation,
            preconditions.get("uid") or "",
            preconditions.get("resourceVersion") or "",
        )
    )


def _checked(options: RemoveOptions) -> RemoveOptions:
    if options.propagation not in PROPAGATION:
        raise _invalid_options(
            f'propagationPolicy: Unsupported value: "{options.propagation}": '
            'supported values: "Background", "Foreground", "Orphan", "nil"'
        )
    if options.grace_s is not None and options.grace_s < 0:
        return RemoveOptions(options.dry_run, 1, options.propagation, options.uid, options.version)
    return options


def _check_watch(options: ListOptions) -> None:
    if options.initial_events is not None:
        if options.match != "NotOlderThan":
            raise _invalid_list(
                "resourceVersionMatch: Forbidden: "
                "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            )
    elif options.match:
        raise _invalid_list(
            "resourceVersionMatch: Forbidden: "
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        )
    if options.continuation:
        raise _invalid_list("continue: Forbidden: continue is forbidden for watch")


def _dry_run(text: str) -> bool:
    if text and text != "All":
        raise _invalid_options(f'dryRun: Unsupported value: "{text}": supported values: "All"')
    return text == "All"


def _flag(query: Query, name: str) -> bool:
    text = query(name)
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise bad_request(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def _whole(query: Query, name: str) -> int:
    text = query(name)
    if not text:
        return 0
    try:
        return int(text)
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None


def _invalid_list(message: str) -> Invalid:
    return invalid_options("ListOptions", message)


def _invalid_options(message: str) -> Invalid:
    return invalid_options("WriteOptions", message)
