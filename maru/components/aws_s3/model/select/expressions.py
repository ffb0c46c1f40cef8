"""Expressions of S3 Select, compiled: the parsed tree becomes a function from a record to a value.

What is not in the table is refused before anything is read.
Source: Amazon S3 User Guide, "Operators", "Conditional functions", "Date functions", "String functions".
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from sqlglot import exp

from maru.components.aws_s3.errors import refusal
from maru.components.aws_s3.model.select import values
from maru.components.aws_s3.model.select.values import MISSING, is_nothing

Evaluate = Callable[[object], object]
Step = tuple[str, bool] | int  # a name and whether it was quoted, or a place in a list
_COMPARISONS: Mapping[type[exp.Expression], Callable[..., bool]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
_ARITHMETIC: Mapping[type[exp.Expression], Callable[[object, object], object]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: values.divided,
    exp.Mod: operator.mod,
}
_UNIT_SECONDS = {"DAY": 86_400, "HOUR": 3600, "MINUTE": 60, "SECOND": 1}
_MONTHS = {"YEAR": 12, "MONTH": 1}


class Compiler:
    """alias: what the record is called in the query, lower case. now: what UTCNOW() gives."""

    def __init__(self, alias: str, now: datetime) -> None:
        self._alias = alias
        self._now = now

    def compile(self, tree: exp.Expression) -> Evaluate:
        """The function. Raises UnsupportedSyntax, UnsupportedFunction."""
        kind = type(tree)
        if kind in _COMPARISONS:
            return self._two(tree, lambda left, right: values.compared(_COMPARISONS[kind], left, right))
        if kind in _ARITHMETIC:
            return self._two(tree, lambda left, right: values.reckoned(_ARITHMETIC[kind], left, right))
        make = _MAKERS.get(kind)
        if make is None:
            if isinstance(tree, exp.Func):
                raise refusal("UnsupportedFunction", f"Encountered an unsupported SQL function: {_name_of(tree)}.")
            raise refusal("UnsupportedSyntax", f"Encountered syntax that is not supported: {kind.__name__}.")
        return make(self, tree)

    def steps(self, tree: exp.Expression) -> list[Step]:
        """The path that a column stands for, without the record's own name."""
        steps = _steps(tree)
        if len(steps) > 1 and isinstance(steps[0], tuple) and steps[0][0].lower() in (self._alias, "s3object"):
            return steps[1:]
        return steps

    def path(self, tree: exp.Expression) -> Evaluate:
        """A column or what lies below one."""
        steps = self.steps(tree)
        return lambda record: walk(record, steps)

    def constant(self, tree: exp.Expression) -> Evaluate:
        """A literal."""
        if isinstance(tree, exp.Null):
            found: object = None
        elif isinstance(tree, exp.Boolean):
            found = bool(tree.this)
        elif tree.args.get("is_string"):
            found = str(tree.this)
        else:
            found = values.number_of(str(tree.this))
        return lambda _: found

    def both(self, tree: exp.Expression) -> Evaluate:
        """AND, of three values."""
        left, right = self.compile(tree.this), self.compile(tree.expression)

        def run(record: object) -> object:
            one = left(record)
            if one is False:
                return False
            two = right(record)
            return False if two is False else (True if one is True and two is True else None)

        return run

    def either(self, tree: exp.Expression) -> Evaluate:
        """OR, of three values."""
        left, right = self.compile(tree.this), self.compile(tree.expression)

        def run(record: object) -> object:
            one = left(record)
            if one is True:
                return True
            two = right(record)
            return True if two is True else (False if one is False and two is False else None)

        return run

    def negation(self, tree: exp.Expression) -> Evaluate:
        """NOT; what is unknown stays so."""
        inner = self.compile(tree.this)
        opposite = {True: False, False: True}

        def run(record: object) -> object:
            found = inner(record)
            return opposite[found] if isinstance(found, bool) else None

        return run

    def paren(self, tree: exp.Expression) -> Evaluate:
        """What stands within."""
        return self.compile(tree.this)

    def minus(self, tree: exp.Expression) -> Evaluate:
        """Of a number, its opposite."""
        inner = self.compile(tree.this)
        return lambda record: values.reckoned(operator.sub, 0, inner(record))

    def is_(self, tree: exp.Expression) -> Evaluate:
        """IS NULL (of what is missing too), IS MISSING, IS TRUE."""
        inner, what = self.compile(tree.this), tree.expression
        if isinstance(what, exp.Null):
            return lambda record: is_nothing(inner(record))
        if isinstance(what, exp.Boolean):
            return lambda record: inner(record) is bool(what.this)
        if isinstance(what, exp.Column) and what.name.lower() == "missing":
            return lambda record: inner(record) is MISSING
        raise refusal("UnsupportedSyntax", "IS is followed by NULL, MISSING, TRUE or FALSE.")

    def like(self, tree: exp.Expression) -> Evaluate:
        """LIKE, with ESCAPE or not."""
        escape = ""
        if isinstance(tree, exp.Escape):
            escape, tree = str(tree.expression.this), tree.this
        if not isinstance(tree.expression, exp.Literal):
            raise refusal("UnsupportedSyntax", "The pattern of LIKE is a string literal.")
        inner, pattern = self.compile(tree.this), _pattern(str(tree.expression.this), escape)

        def run(record: object) -> object:
            found = inner(record)
            return pattern.fullmatch(found) is not None if isinstance(found, str) else None

        return run

    def within(self, tree: exp.Expression) -> Evaluate:
        """IN a list."""
        inner, choices = self.compile(tree.this), [self.compile(one) for one in tree.expressions]
        if tree.args.get("query") is not None or not choices:
            raise refusal("UnsupportedSyntax", "IN is followed by a list of values.")

        def run(record: object) -> object:
            found = inner(record)
            outcomes = [values.compared(operator.eq, found, choice(record)) for choice in choices]
            return True if True in outcomes else (None if None in outcomes else False)

        return run

    def between(self, tree: exp.Expression) -> Evaluate:
        """BETWEEN low AND high."""
        inner, low, high = (self.compile(tree.args[name]) for name in ("this", "low", "high"))

        def run(record: object) -> object:
            found = inner(record)
            ends = (
                values.compared(operator.ge, found, low(record)),
                values.compared(operator.le, found, high(record)),
            )
            return False if False in ends else (None if None in ends else True)

        return run

    def cast(self, tree: exp.Expression) -> Evaluate:
        """CAST."""
        inner, kind = self.compile(tree.this), str(tree.args["to"].this.name)
        if kind not in values.CAST_KINDS:
            raise refusal("UnsupportedSyntax", f"CAST to {kind} is not supported.")
        return lambda record: values.cast(inner(record), kind)

    def joined(self, tree: exp.Expression) -> Evaluate:
        """Two strings, one behind the other."""
        return self._two(
            tree,
            lambda left, right: (
                None if is_nothing(left) or is_nothing(right) else values.text_of(left) + values.text_of(right)
            ),
        )

    def case(self, tree: exp.Expression) -> Evaluate:
        """CASE, with a value to compare or without."""
        subject = self.compile(tree.this) if tree.this is not None else None
        default = tree.args.get("default")
        other: Evaluate = self.compile(default) if default is not None else lambda _: None
        arms = [(self.compile(one.this), self.compile(one.args["true"])) for one in tree.args["ifs"]]

        def run(record: object) -> object:
            for condition, result in arms:
                found = condition(record)
                if subject is not None:
                    found = values.compared(operator.eq, subject(record), found)
                if found is True:
                    return result(record)
            return other(record)

        return run

    def coalesce(self, tree: exp.Expression) -> Evaluate:
        """The first that is something."""
        choices = [self.compile(one) for one in (tree.this, *tree.expressions)]

        def run(record: object) -> object:
            return next((found for choice in choices if not is_nothing(found := choice(record))), None)

        return run

    def nullif(self, tree: exp.Expression) -> Evaluate:
        """Null where both are equal."""
        return self._two(tree, lambda left, right: None if values.compared(operator.eq, left, right) else left)

    def of_text(self, tree: exp.Expression) -> Evaluate:
        """LOWER, UPPER, CHAR_LENGTH."""
        inner = self.compile(tree.this)
        kinds: dict[type[exp.Expression], Callable[[str], object]]
        kinds = {exp.Lower: str.lower, exp.Upper: str.upper, exp.Length: len}
        work = kinds[type(tree)]

        def run(record: object) -> object:
            found = inner(record)
            return None if is_nothing(found) else work(values.text_of(found))

        return run

    def substring(self, tree: exp.Expression) -> Evaluate:
        """SUBSTRING: counted from 1, and from before the text as well."""
        inner, start = self.compile(tree.this), self.compile(tree.args["start"])
        length = self.compile(tree.args["length"]) if tree.args.get("length") is not None else None

        def run(record: object) -> object:
            found = inner(record)
            if is_nothing(found):
                return None
            text, begins = values.text_of(found), int(values.number_of(start(record)) or 0)
            ends = len(text) + 1 if length is None else begins + int(values.number_of(length(record)) or 0)
            return text[max(0, begins - 1) : max(0, ends - 1)]

        return run

    def trim(self, tree: exp.Expression) -> Evaluate:
        """TRIM of either side or both."""
        inner = self.compile(tree.this)
        letters = self.compile(tree.expression) if tree.expression is not None else None
        side = str(tree.args.get("position") or "BOTH").upper()
        work = {"LEADING": str.lstrip, "TRAILING": str.rstrip}.get(side, str.strip)

        def run(record: object) -> object:
            found = inner(record)
            return None if is_nothing(found) else work(str(found), str(letters(record)) if letters else " ")

        return run

    def extract(self, tree: exp.Expression) -> Evaluate:
        """EXTRACT(part FROM timestamp)."""
        part, inner = str(tree.this.name).lower(), self.compile(tree.expression)
        if part not in ("year", "month", "day", "hour", "minute", "second"):
            raise refusal("UnsupportedSyntax", f"EXTRACT of {part} is not supported.")
        return lambda record: None if is_nothing(found := inner(record)) else getattr(_moment(found), part)

    def date_add(self, tree: exp.Expression) -> Evaluate:
        """DATE_ADD(part, count, timestamp)."""
        part, count, since = self._dated(tree)

        def run(record: object) -> object:
            many, found = count(record), since(record)
            if is_nothing(many) or is_nothing(found):
                return None
            return _later(_moment(found), part, int(values.number_of(many) or 0))

        return run

    def date_diff(self, tree: exp.Expression) -> Evaluate:
        """DATE_DIFF(part, from, to)."""
        part, since, until = self._dated(tree)

        def run(record: object) -> object:
            one, two = since(record), until(record)
            return None if is_nothing(one) or is_nothing(two) else _between(_moment(one), _moment(two), part)

        return run

    def named(self, tree: exp.Expression) -> Evaluate:
        """The functions that only S3 Select has."""
        name = str(tree.this).upper()
        if name == "UTCNOW":
            return lambda _: self._now
        if name == "TO_TIMESTAMP" and len(tree.expressions) == 1:
            inner = self.compile(tree.expressions[0])
            return lambda record: values.cast(inner(record), "TIMESTAMP")
        raise refusal("UnsupportedFunction", f"Encountered an unsupported SQL function: {name}.")

    def _dated(self, tree: exp.Expression) -> tuple[str, Evaluate, Evaluate]:
        part = str(tree.this.name).upper()
        unit = tree.args.get("unit")
        if unit is None or part not in {**_MONTHS, **_UNIT_SECONDS}:
            raise refusal("UnsupportedSyntax", "A date function takes a date part, and two values.")
        return part, self.compile(tree.expression), self.compile(unit)

    def _two(self, tree: exp.Expression, work: Callable[[object, object], object]) -> Evaluate:
        left, right = self.compile(tree.this), self.compile(tree.expression)
        return lambda record: work(left(record), right(record))


_MAKERS: Mapping[type[exp.Expression], Callable[[Compiler, exp.Expression], Evaluate]] = {
    exp.Column: Compiler.path,
    exp.Dot: Compiler.path,
    exp.Bracket: Compiler.path,
    exp.Literal: Compiler.constant,
    exp.Null: Compiler.constant,
    exp.Boolean: Compiler.constant,
    exp.And: Compiler.both,
    exp.Or: Compiler.either,
    exp.Not: Compiler.negation,
    exp.Paren: Compiler.paren,
    exp.Neg: Compiler.minus,
    exp.Is: Compiler.is_,
    exp.Like: Compiler.like,
    exp.Escape: Compiler.like,
    exp.In: Compiler.within,
    exp.Between: Compiler.between,
    exp.Cast: Compiler.cast,
    exp.DPipe: Compiler.joined,
    exp.Case: Compiler.case,
    exp.Coalesce: Compiler.coalesce,
    exp.Nullif: Compiler.nullif,
    exp.Lower: Compiler.of_text,
    exp.Upper: Compiler.of_text,
    exp.Length: Compiler.of_text,
    exp.Substring: Compiler.substring,
    exp.Trim: Compiler.trim,
    exp.Extract: Compiler.extract,
    exp.DateAdd: Compiler.date_add,
    exp.DateDiff: Compiler.date_diff,
    exp.Anonymous: Compiler.named,
}


def walk(record: object, steps: Sequence[Step]) -> object:
    """What stands at a path; MISSING where it leads nowhere."""
    found = record
    for step in steps:
        if isinstance(step, int):
            found = found[step] if isinstance(found, list) and step < len(found) else MISSING
        elif not isinstance(found, dict):
            return MISSING
        elif step[0] in found:
            found = found[step[0]]
        elif step[1]:
            return MISSING
        else:
            wanted = step[0].lower()
            found = next((value for name, value in found.items() if name.lower() == wanted), MISSING)
    return found


def _steps(tree: exp.Expr) -> list[Step]:
    if isinstance(tree, exp.Identifier):
        return [(str(tree.this), bool(tree.args.get("quoted")))]
    if isinstance(tree, exp.Column):
        return [step for part in tree.parts for step in _steps(part)]
    if isinstance(tree, exp.Dot):
        return [*_steps(tree.this), *_steps(tree.expression)]
    if isinstance(tree, exp.Bracket) and len(tree.expressions) == 1:
        (place,) = tree.expressions
        if isinstance(place, exp.Literal):
            return [*_steps(tree.this), (str(place.this), True) if place.is_string else int(place.this)]
    raise refusal("UnsupportedSyntax", f"Encountered a path that is not supported: {tree.sql()}.")


def _name_of(tree: exp.Func) -> str:
    return str(tree.this) if isinstance(tree, exp.Anonymous) else tree.sql_name()


def _pattern(text: str, escape: str) -> re.Pattern[str]:
    out, letters = [], iter(text)
    for letter in letters:
        if escape and letter == escape:
            out.append(re.escape(next(letters, "")))
        else:
            out.append({"%": ".*", "_": "."}.get(letter) or re.escape(letter))
    return re.compile("".join(out), re.DOTALL)


def _moment(value: object) -> datetime:
    found = values.cast(value, "TIMESTAMP")
    assert isinstance(found, datetime)
    return found


def _later(moment: datetime, part: str, count: int) -> datetime:
    if part in _UNIT_SECONDS:
        return moment + timedelta(seconds=_UNIT_SECONDS[part] * count)
    months = moment.year * 12 + moment.month - 1 + count * _MONTHS[part]
    year, month = months // 12, months % 12 + 1
    following = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=moment.tzinfo)
    last_day = (following - timedelta(days=1)).day
    return moment.replace(year=year, month=month, day=min(moment.day, last_day))


def _between(one: datetime, two: datetime, part: str) -> int:
    if part in _UNIT_SECONDS:
        return int(Decimal(str((two - one).total_seconds())) / _UNIT_SECONDS[part])
    sign = 1 if two >= one else -1
    early, late = (one, two) if sign > 0 else (two, one)
    months = (late.year - early.year) * 12 + late.month - early.month
    if _later(early, "MONTH", months) > late:
        months -= 1
    return sign * (months // _MONTHS[part])
