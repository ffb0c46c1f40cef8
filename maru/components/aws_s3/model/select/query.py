"""A query of S3 Select: parsed, checked and compiled; fed with records, it gives rows.

Source: Amazon S3 User Guide, "SELECT command", "Aggregate functions".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import sqlglot
from sqlglot import exp

from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.select import values
from maru.components.aws_s3.model.select.expressions import Compiler, Evaluate, walk
from maru.components.aws_s3.model.select.values import MISSING, Row, is_nothing

EXPRESSION_BYTES_MAX = 256 * 1024
_FROM = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\bfrom\s+s3object(?P<path>(?:\[(?:\*|\d+)\]|\.(?:\w+|\*|"[^"]+"))*)""",
    re.IGNORECASE,
)
_STEP = re.compile(r"""\[(\*|\d+)\]|\.(?:"([^"]+)"|(\w+|\*))""")
_AGGREGATES = (exp.Count, exp.Sum, exp.Avg, exp.Min, exp.Max)


class Query:
    """One query under way. has_header: whether columns have names of their own, which * then answers with."""

    def __init__(self, text: str, now: datetime) -> None:
        tree, self._path = _parsed(text)
        table = tree.args["from_"].this
        self._compiler = Compiler((table.alias or "s3object").lower(), now)
        where, limit = tree.args.get("where"), tree.args.get("limit")
        self._where = self._compiler.compile(where.this) if where is not None else None
        self.left = int(limit.expression.this) if limit is not None else -1
        self._columns: list[tuple[str, Evaluate]] = []
        self._totals: list[_Total] = []
        self._is_star = len(tree.expressions) == 1 and isinstance(tree.expressions[0], exp.Star)
        self.is_aggregate = any(one.find(*_AGGREGATES) is not None for one in tree.expressions)
        if not self._is_star:
            for number, one in enumerate(tree.expressions, 1):
                self._add(one, number)

    @property
    def is_done(self) -> bool:
        """Whether no further record matters."""
        return self.left == 0 and not self.is_aggregate

    def rows(self, record: object) -> Iterator[Row]:
        """What one record of the object gives."""
        for found in _spread(record, self._path):
            if self._where is not None and self._where(found) is not True:
                continue
            if self.is_aggregate:
                for total in self._totals:
                    total.take(found)
                continue
            if self.left == 0:
                return
            self.left -= 1
            yield self._row(found)

    def last_rows(self) -> Iterator[Row]:
        """What is known only at the end: the aggregates."""
        if self.is_aggregate and self.left != 0:
            yield [(total.name, total.result()) for total in self._totals]

    def _row(self, record: object) -> Row:
        if not self._is_star:
            return [(name, evaluate(record)) for name, evaluate in self._columns]
        if isinstance(record, dict):
            return list(record.items())
        return [] if record is MISSING else [("_1", record)]

    def _add(self, one: exp.Expression, number: int) -> None:
        inner = one.this if isinstance(one, exp.Alias) else one
        if isinstance(inner, exp.Star):
            raise refusal("UnsupportedSyntax", "* stands alone.")
        name = one.alias if isinstance(one, exp.Alias) else f"_{number}"
        if not self.is_aggregate:
            if not isinstance(one, exp.Alias) and isinstance(inner, (exp.Column, exp.Dot)):
                last = self._compiler.steps(inner)[-1]
                name = last[0] if isinstance(last, tuple) else name
            self._columns.append((name, self._compiler.compile(inner)))
            return
        if not isinstance(inner, _AGGREGATES) or inner.args.get("distinct"):
            raise refusal("UnsupportedSyntax", "GROUP BY is not supported: aggregates stand among aggregates.")
        counted = None if isinstance(inner.this, exp.Star) else self._compiler.compile(inner.this)
        self._totals.append(_Total(name, type(inner), counted))


class _Total:
    """One aggregate. Null and missing do not count."""

    def __init__(self, name: str, kind: type[exp.Expression], inner: Evaluate | None) -> None:
        self.name = name
        self._kind = kind
        self._inner = inner
        self._count = 0
        self._value: object = None

    def take(self, record: object) -> None:
        found = self._inner(record) if self._inner is not None else 1
        if is_nothing(found):
            return
        self._count += 1
        if self._kind is exp.Count:
            return
        if self._value is None:
            self._value = found if self._kind in (exp.Min, exp.Max) else values.reckoned(_add, found, 0)
        elif self._kind in (exp.Sum, exp.Avg):
            self._value = values.reckoned(_add, self._value, found)
        else:
            is_less = values.compared(_less, found, self._value)
            if is_less is (self._kind is exp.Min):
                self._value = found

    def result(self) -> object:
        if self._kind is exp.Count:
            return self._count
        if self._kind is exp.Avg and self._count:
            return values.reckoned(lambda one, two: one / two, self._value, self._count)  # type: ignore[operator]
        return self._value


def _parsed(text: str) -> tuple[exp.Select, Sequence[str | int | tuple[str]]]:
    if len(text.encode()) > EXPRESSION_BYTES_MAX:
        raise refusal("ExpressionTooLong")
    paths: list[str] = []

    def taken(match: re.Match[str]) -> str:
        if match["path"] is None or paths:
            return match[0]
        paths.append(match["path"])
        return "FROM S3Object"

    try:
        tree = sqlglot.parse_one(_FROM.sub(taken, text))
    except sqlglot.errors.SqlglotError as error:
        raise refusal(
            "ParseUnexpectedToken", f"The SQL expression cannot be read: {error.args[0].splitlines()[0]}"
        ) from error
    if not isinstance(tree, exp.Select):
        raise refusal("ParseUnexpectedToken", "The SQL expression is a SELECT.")
    if not paths or tree.args.get("from_") is None:
        raise refusal("ParseSelectMissingFrom")
    extra = {
        name
        for name, value in tree.args.items()
        if value and name not in ("expressions", "from_", "where", "limit", "kind")
    }
    if extra or tree.find(exp.Select, bfs=True) is not tree or len(list(tree.find_all(exp.Select))) > 1:
        raise refusal(
            "UnsupportedSyntax",
            f"Encountered syntax that is not supported: {', '.join(sorted(extra)) or 'a subquery'}.",
        )
    limit = tree.args.get("limit")
    if limit is not None and not str(limit.expression.this).isdigit():
        raise refusal("ParseUnexpectedToken", "LIMIT is followed by a whole number.")
    steps = [(match[1] or match[3] or (match[2],)) for match in _STEP.finditer(paths[0])]
    return tree, [int(step) if isinstance(step, str) and step.isdigit() else step for step in steps][_head(steps) :]


def _head(steps: Sequence[object]) -> int:
    """S3Object[*] is the records themselves."""
    return 1 if steps[:1] == ["*"] else 0


def _spread(record: object, path: Sequence[str | int | tuple[str]]) -> Iterator[object]:
    """The values that a path of FROM leads to."""
    if not path:
        yield record
        return
    step, rest = path[0], path[1:]
    if step == "*":
        several = record if isinstance(record, list) else list(record.values()) if isinstance(record, dict) else None
        if several is None:
            yield MISSING
            return
        for one in several:
            yield from _spread(one, rest)
        return
    if isinstance(step, tuple):
        yield from _spread(walk(record, [(step[0], True)]), rest)
    else:
        yield from _spread(walk(record, [step if isinstance(step, int) else (step, False)]), rest)


def _add(one: object, two: object) -> object:
    return one + two  # type: ignore[operator] # numbers, by reckoned


_less: Callable[[object, object], bool] = lambda one, two: one < two  # type: ignore[operator]  # noqa: E731
