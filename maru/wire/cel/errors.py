"""What can go wrong with an expression: at compile time with a place in it, or when it is evaluated."""

from __future__ import annotations


class CelError(Exception):
    """Any failure of an expression; `str()` is what users are shown."""


class CompileError(CelError):
    """The expression is not well formed or does not fit its declarations.

    Worded as cel-go prints issues: place, message, the line and a mark under the place.
    """

    def __init__(self, source: str, offset: int, message: str) -> None:
        before = source[:offset]
        line = before.count("\n") + 1
        column = offset - (before.rfind("\n") + 1)
        text = source.split("\n")[line - 1] if source else ""
        super().__init__(f"ERROR: <input>:{line}:{column + 1}: {message}\n | {text}\n | {'.' * column}^")
        self.message = message


class EvaluationError(CelError):
    """The expression has no value: no such key, division by zero, no such overload. cost: spent until then."""

    cost = 0


class OutOfBudget(CelError):
    """The evaluation was stopped because it cost too much."""

    def __init__(self) -> None:
        super().__init__("operation cancelled: actual cost limit exceeded")
