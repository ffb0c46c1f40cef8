"""An expression ready to be evaluated, as often as wanted.

Source: Kubernetes docs, "Common Expression Language in Kubernetes", resource constraints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from maru.wire.cel.checker import Declarations, check
from maru.wire.cel.compiler import Closure, Frame, compiled
from maru.wire.cel.errors import CompileError, EvaluationError
from maru.wire.cel.parser import parse
from maru.wire.cel.syntax import Node, names_in
from maru.wire.cel.types import Type

CALL_COST_MAX = 1_000_000
"""What one evaluation may spend; the real server's bound."""


@dataclass(frozen=True, slots=True)
class Program:
    """result: its static type. names: every variable that it mentions."""

    source: str
    node: Node
    types: Mapping[int, Type]
    result: Type
    names: frozenset[str]
    closure: Closure

    def evaluate(self, values: Mapping[str, object], budget: int = CALL_COST_MAX) -> tuple[object, int]:
        """(value, cost). Raises EvaluationError (whose `cost` is what was spent), or OutOfBudget after `budget`."""
        frame = Frame(dict(values), budget)
        try:
            found = self.closure(frame)
        except RecursionError:
            error = EvaluationError("expression recursion limit exceeded")
            error.cost = budget - frame.left
            raise error from None
        except EvaluationError as error:
            error.cost = budget - frame.left
            raise
        return found, budget - frame.left


def compile_expression(source: str, declarations: Declarations) -> Program:
    """Raises CompileError."""
    try:
        node = parse(source)
        checked = check(source, node, declarations)
        return Program(source, node, checked.types, checked.result, names_in(node), compiled(checked))
    except RecursionError:
        raise CompileError(source, 0, "expression recursion limit exceeded") from None
