"""From tokens to the tree: operators by precedence, macros recognized by name and number of arguments.

Source: cel-spec, doc/langdef.md, "Syntax" and "Macros"; the extension macros of cel-go (ext) that
Kubernetes enables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from maru.wire.cel.errors import CompileError
from maru.wire.cel.lexer import Token, tokens
from maru.wire.cel.syntax import Call, ListNode, Literal, Macro, MapNode, Name, Node, Select, StructNode
from maru.wire.cel.values import INT_MAX

DEPTH_MAX = 50  # each takes about nine frames of Python's stack of 1000
_BINARY: Sequence[Sequence[str]] = (
    ("||",),
    ("&&",),
    ("<", "<=", ">", ">=", "==", "!=", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
_NAMES: Mapping[str, str] = {"in": "@in"}
_RESERVED = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_CONSTANTS: Mapping[str, object] = {"true": True, "false": False, "null": None}
_MACROS: Mapping[str, Sequence[tuple[int, int]]] = {
    "all": ((1, 1), (2, 1)),
    "exists": ((1, 1), (2, 1)),
    "exists_one": ((1, 1),),
    "existsOne": ((2, 1),),
    "map": ((1, 1), (1, 2)),
    "filter": ((1, 1),),
    "transformList": ((2, 1), (2, 2)),
    "transformMap": ((2, 1), (2, 2)),
    "optMap": ((1, 1),),
    "optFlatMap": ((1, 1),),
}
"""name: (variables, arguments) it may be called with."""


def parse(source: str) -> Node:
    """The tree of an expression. Raises CompileError."""
    parser = _Parser(source)
    node = parser.expression()
    if parser.token.kind != "end":
        raise parser.unexpected("<EOF>")
    return node


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._tokens = tokens(source)
        self._index = 0
        self._depth = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._index]

    def unexpected(self, expected: str = "") -> CompileError:
        token = self.token
        if expected:
            return self.error(token.offset, f"Syntax error: mismatched input '{token.text}' expecting {expected}")
        if token.kind == "end":
            return self.error(
                token.offset,
                "Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', "
                "'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
            )
        return self.error(token.offset, f"Syntax error: no viable alternative at input '{token.text}'")

    def error(self, offset: int, message: str) -> CompileError:
        return CompileError(self._source, offset, message)

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise self.error(self.token.offset, f"expression recursion limit exceeded: {DEPTH_MAX}")
        condition = self._binary(0)
        token = self._take("?")
        if token is not None:
            chosen = self._binary(0)
            self._need(":")
            condition = Call(token.offset, "_?_:_", None, (condition, chosen, self.expression()))
        self._depth -= 1
        return condition

    def _binary(self, level: int) -> Node:
        if level == len(_BINARY):
            return self._unary()
        left = self._binary(level + 1)
        while self.token.text in _BINARY[level] and self.token.kind in ("sign", "name"):
            token = self._next()
            right = self._binary(level + 1)
            left = Call(token.offset, _NAMES.get(token.text, f"_{token.text}_"), None, (left, right))
        return left

    def _unary(self) -> Node:
        token = self.token
        if token.kind == "sign" and token.text in "!-":
            self._next()
            self._depth += 1
            if self._depth > DEPTH_MAX:
                raise self.error(token.offset, f"expression recursion limit exceeded: {DEPTH_MAX}")
            following = self.token
            if token.text == "-" and following.kind == "literal" and isinstance(following.value, (int, float)):
                operand = self._member(self._negated(token, self._next()))
            else:
                operand = Call(token.offset, "!_" if token.text == "!" else "-_", None, (self._unary(),))
            self._depth -= 1
            return operand
        return self._member(self._primary())

    def _negated(self, sign: Token, number: Token) -> Node:
        if not isinstance(number.value, (int, float)) or (number.text[-1] in "uU" and number.text[:2] != "0x"):
            raise self.error(sign.offset, "found no matching overload for '-_' applied to '(uint)'")
        return Literal(sign.offset, -number.value)

    def _member(self, node: Node) -> Node:
        while True:
            token = self.token
            if token.kind != "sign":
                return node
            if token.text in (".", ".?"):
                self._next()
                node = self._selected(node, token)
            elif token.text in ("[", "[?"):
                self._next()
                index = self.expression()
                self._need("]")
                node = Call(token.offset, "_[_]" if token.text == "[" else "_[?_]", None, (node, index))
            else:
                return node

    def _selected(self, node: Node, dot: Token) -> Node:
        field = self._next()
        if field.kind not in ("name", "quoted"):
            self._index -= 1
            raise self.unexpected("IDENTIFIER")
        if dot.text == ".?":
            return Select(dot.offset, node, field.text, is_optional=True)
        opening = self._take("(")
        if opening is not None and field.kind == "name":
            return self._call(field.text, node, opening)
        if self.token.text == "{" and _dotted(node) and field.kind == "name":
            return self._struct(f"{_dotted(node)}.{field.text}")
        return Select(dot.offset, node, field.text)

    def _call(self, name: str, target: Node | None, opening: Token) -> Node:
        arguments = self._list(")")
        if target is None and name == "has":
            if len(arguments) != 1 or not isinstance(arguments[0], Select):
                raise self.error(opening.offset, "invalid argument to has() macro")
            one = arguments[0]
            return Select(one.offset, one.operand, one.field, is_test=True)
        if isinstance(target, Name) and target.name == "cel" and name == "bind" and len(arguments) == 3:
            return Macro(opening.offset, "bind", arguments[1], (self._variable(arguments[0]),), (arguments[2],))
        if target is not None and name in _MACROS:
            for variables, rest in _MACROS[name]:
                if len(arguments) == variables + rest and (name != "map" or len(arguments) in (2, 3)):
                    names = tuple(self._variable(one) for one in arguments[:variables])
                    return Macro(opening.offset, name, target, names, tuple(arguments[variables:]))
        return Call(opening.offset, name, target, tuple(arguments))

    def _variable(self, node: Node) -> str:
        if not isinstance(node, Name):
            raise self.error(node.offset, "argument must be a simple name")
        return node.name

    def _primary(self) -> Node:
        token = self._next()
        if token.kind == "literal":
            if type(token.value) is int and token.value > INT_MAX:
                raise self.error(token.offset, "invalid int literal")
            return Literal(token.offset, token.value)
        if token.kind == "name":
            return self._named(token)
        if token.text == "(":
            node = self.expression()
            self._need(")")
            return node
        if token.text == ".":
            return self._primary()
        if token.text == "[":
            return self._list_node(token)
        if token.text == "{":
            return self._map_node(token)
        self._index -= 1
        if token.text == "[?":
            self._index += 1
            return self._list_node(token)
        raise self.unexpected()

    def _named(self, token: Token) -> Node:
        if token.text in _CONSTANTS:
            return Literal(token.offset, _CONSTANTS[token.text])
        if token.text in _RESERVED:
            raise self.error(token.offset, f"reserved identifier: {token.text}")
        if token.text == "in":
            self._index -= 1
            raise self.unexpected()
        opening = self._take("(")
        if opening is not None:
            return self._call(token.text, None, opening)
        if self.token.text == "{":
            return self._struct(token.text)
        return Name(token.offset, token.text)

    def _list_node(self, opening: Token) -> Node:
        items: list[Node] = []
        optional: set[int] = set()
        is_optional = opening.text == "[?"
        while self.token.text != "]":
            if is_optional or self._take("?") is not None:
                optional.add(len(items))
            is_optional = False
            items.append(self.expression())
            if self._take(",") is None:
                break
        self._need("]")
        return ListNode(opening.offset, tuple(items), frozenset(optional))

    def _map_node(self, opening: Token) -> Node:
        entries: list[tuple[Node, Node, bool]] = []
        while self.token.text != "}":
            is_optional = self._take("?") is not None
            key = self.expression()
            self._need(":")
            entries.append((key, self.expression(), is_optional))
            if self._take(",") is None:
                break
        self._need("}")
        return MapNode(opening.offset, tuple(entries))

    def _struct(self, type_name: str) -> Node:
        opening = self._need("{")
        fields: list[tuple[str, Node, bool]] = []
        while self.token.text != "}":
            is_optional = self._take("?") is not None
            field = self._next()
            if field.kind not in ("name", "quoted"):
                self._index -= 1
                raise self.unexpected("IDENTIFIER")
            self._need(":")
            fields.append((field.text, self.expression(), is_optional))
            if self._take(",") is None:
                break
        self._need("}")
        return StructNode(opening.offset, type_name, tuple(fields))

    def _list(self, closing: str) -> list[Node]:
        found: list[Node] = []
        while self.token.text != closing:
            found.append(self.expression())
            if self._take(",") is None:
                break
        self._need(closing)
        return found

    def _next(self) -> Token:
        token = self.token
        if token.kind != "end":
            self._index += 1
        elif self._index:
            raise self.unexpected()
        else:
            raise self.unexpected()
        return token

    def _take(self, text: str) -> Token | None:
        token = self.token
        if token.kind == "sign" and token.text == text:
            self._index += 1
            return token
        return None

    def _need(self, text: str) -> Token:
        token = self._take(text)
        if token is None:
            raise self.unexpected(f"'{text}'")
        return token


def _dotted(node: Node) -> str:
    """Object.spec as text; "" for anything but names and dots."""
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Select) and not node.is_test and not node.is_optional:
        before = _dotted(node.operand)
        return f"{before}.{node.field}" if before else ""
    return ""
