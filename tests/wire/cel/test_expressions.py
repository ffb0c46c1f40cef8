"""CEL: what expressions come to, what is refused before, and that every evaluation ends."""

from __future__ import annotations

import pytest

from maru.wire.cel.checker import Declarations
from maru.wire.cel.errors import CompileError, EvaluationError, OutOfBudget
from maru.wire.cel.library.all import kubernetes_library
from maru.wire.cel.program import compile_expression
from maru.wire.cel.types import DYN, INT, STRING, Type, list_of, map_of, object_of

SHAPE: dict[str, Type] = {
    "low": INT,
    "name": STRING,
    "many": list_of(INT),
    "labels": map_of(STRING, STRING),
    "free": DYN,
    "a__dot__b": INT,
}
DECLARED = Declarations({"self": object_of("object", SHAPE.get)}, kubernetes_library())
SELF = {
    "low": 3,
    "name": "Busan",
    "many": [1, 2, 3],
    "labels": {"k": "v"},
    "free": {"z": [1, 2.5]},
    "a.b": 7,
}


def value_of(text: str, budget: int = 10_000) -> object:
    return compile_expression(text, DECLARED).evaluate({"self": SELF}, budget)[0]


@pytest.mark.parametrize(
    "text",
    [
        "self.low >= 2 && self.name.lowerAscii() == 'busan'",
        "self.many.all(i, i > 0) && self.many.exists_one(i, i == 2)",
        "self.many.map(i, i > 1, i * 2) == [4, 6]",
        "self.many.all(i, v, i < v)",
        "has(self.free.z) && !has(self.free.q)",
        "self.free.?q.orValue(5) == 5 && self.free.?z[?9].hasValue() == false",
        "self.a__dot__b == 7",
        "'%s has %d'.format([self.name, self.low]) == 'Busan has 3'",
        "self.many.sum() == 6 && self.many.isSorted() && self.many.max() == 3",
        "quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1500m').add(quantity('500m')).asInteger() == 2",
        "cidr('10.0.0.0/8').containsIP('10.1.1.1') && ip('::1').isLoopback() && !isIP('10.0.0')",
        "url('https://a:8080/x?y=1').getPort() == '8080'",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.0.0-rc.1').isLessThan(semver('1.0.0'))",
        "timestamp('2020-01-01T00:00:00Z') + duration('1h30m') == timestamp('2020-01-01T01:30:00Z')",
        "duration('90m').getHours() == 1 && timestamp('2020-02-29T00:00:00Z').getDayOfYear() == 59",
        "cel.bind(n, self.low, n + 1) == 4",
        "self.many[9] == 1 || true",
        "!(false && self.many[9] == 1)",
        "format.dns1123Label().validate('Not A Label').hasValue()",
        "'a-b_c'.find('[a-z]_') == 'b_' && 'abc'.matches('^a.c$')",
        "sets.equivalent(self.many, [3, 2, 1]) && 2 in self.many && 'k' in self.labels",
        "1 == 1.0 && 1 < 1.5 && 5 / 2 == 2 && -5 % 3 == -2",
        "type(self.low) == int && string(1.0) == '1' && int('7') == 7",
    ],
)
def test_true_things_are_true(text: str) -> None:
    assert value_of(text) is True


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("self.z", "undefined field 'z'"),
        ("self.low + 'x'", "found no matching overload for '_+_' applied to '(int, string)'"),
        ("self.low >", "Syntax error: mismatched input '<EOF>'"),
        ("other", "undeclared reference to 'other' (in container '')"),
        ("self.name.foo()", "undeclared reference to 'foo'"),
        ("[1, 'a']", "expected type 'int' but found 'string'"),
        ("'\\q'", "token recognition error"),
        ("(" * 500, "recursion limit exceeded"),
    ],
)
def test_what_does_not_fit_is_refused_before_it_runs(text: str, words: str) -> None:
    with pytest.raises(CompileError) as refused:
        compile_expression(text, DECLARED)
    assert words in str(refused.value)
    assert str(refused.value).startswith("ERROR: <input>:1:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("self.free.q", "no such key: q"),
        ("self.many[3]", "index out of bounds: 3"),
        ("self.low / 0", "division by zero"),
        ("9223372036854775807 + self.low", "integer overflow"),
        ("self.free.z + 1", "no such overload"),
        ("quantity('many')", "quantities must match"),
    ],
)
def test_what_has_no_value_says_why(text: str, words: str) -> None:
    with pytest.raises(EvaluationError) as failed:
        value_of(text)
    assert words in str(failed.value)


def test_every_evaluation_ends_when_its_budget_does() -> None:
    nested = "self.many.all(a, self.many.all(b, self.many.all(c, self.many.all(d, a + b + c + d > 0))))"
    assert value_of(nested) is True
    with pytest.raises(OutOfBudget):
        value_of(nested, 200)


@pytest.mark.parametrize(
    "text", ["isQuantity('1Gi')", "isIP('::1')", "duration('1h') < duration('2h')", "ip('::1') == ip('::1')"]
)
def test_what_takes_long_to_read_spends_for_it(text: str) -> None:
    _, cost = compile_expression(text, DECLARED).evaluate({"self": SELF})
    assert cost > 6


def test_an_evaluation_that_fails_has_spent_all_the_same() -> None:
    with pytest.raises(EvaluationError) as caught:
        value_of("self.many.all(i, i > 0) && self.low / 0 > 1")
    assert caught.value.cost > 6
