"""Tokens into a tree: operators by their binding power (Pratt), then what follows a value.

Source of the grammar: Spring's parser of expressions. Where Spring stops after one comparison or power, a second one
may follow here.
"""

from collections.abc import Callable
from functools import lru_cache

from spel import ast
from spel.errors import ParseError
from spel.lexer import WORDS, Token, positioned, tokens

_POWER = {
    "||": 2, "&&": 3,
    "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "instanceof": 4, "matches": 4, "between": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "^": 7,
}  # fmt: skip
_FORBIDDEN = {
    "=": "Assignment is not supported",
    "++": "Increment is not supported",
    "--": "Decrement is not supported",
    "@": "EL1057E: No bean resolver registered in the context to resolve access to beans",
    "&": "EL1057E: No bean resolver registered in the context to resolve access to beans",
}
_BRACKETS = ("[", "?[", "^[", "$[", "![")
_MAX_NESTING = 100


@lru_cache(maxsize=4096)
def parse(text: str) -> ast.Node:
    """Parse an expression; raise `ParseError`. Results are kept, so a repeated text costs nothing."""
    try:
        return _Parser(text).whole()
    except RecursionError as error:
        raise ParseError("The expression is nested too deeply", text, 0) from error


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._at = 0
        self._nesting = 0

    def whole(self) -> ast.Node:
        if self._peek().kind == "end":
            raise self._error("EL1044E: Unexpectedly ran out of input", self._peek())
        node = self._expression()
        token = self._peek()
        if token.kind != "end":
            if token.value in _FORBIDDEN:
                raise self._unexpected(token)
            rest = self._text[token.column :][:100]
            what = f"EL1041E: After parsing a valid expression, there is still more data in the expression: '{rest}'"
            raise self._error(what, token)
        return node

    def _error(self, what: str, token: Token) -> ParseError:
        return ParseError(positioned(self._text, token.column, what), self._text, token.column)

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
        if token.kind != "end":
            self._at += 1
        return token

    def _is(self, *operators: str) -> bool:
        token = self._peek()
        return token.kind == "op" and token.value in operators

    def _take(self, operator: str) -> bool:
        if self._is(operator):
            self._at += 1
            return True
        return False

    def _expect(self, operator: str) -> None:
        if not self._take(operator):
            found = self._peek()
            if found.kind == "end":
                raise self._error(f"EL1044E: Unexpectedly ran out of input, '{operator}' is missing", found)
            seen = str(found.value)[:100]
            raise self._error(f"EL1043E: Unexpected token. Expected '{operator}' but was '{seen}'", found)

    def _unexpected(self, token: Token) -> ParseError:
        if token.kind == "end":
            return self._error("EL1044E: Unexpectedly ran out of input", token)
        if token.kind == "op" and token.value in _FORBIDDEN:
            return self._error(_FORBIDDEN[token.value], token)
        return self._error(f"Unexpected token '{str(token.value)[:100]}'", token)

    def _deeper(self) -> None:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise self._error("The expression is nested too deeply", self._peek())

    def _expression(self) -> ast.Node:
        self._deeper()
        node = self._binary(1)
        column = self._peek().column
        if self._take("?:"):
            node = ast.Elvis(column, node, self._expression())
        elif self._take("?"):
            yes = self._expression()
            self._expect(":")
            node = ast.Ternary(column, node, yes, self._expression())
        self._nesting -= 1
        return node

    def _binary(self, power: int) -> ast.Node:
        self._deeper()
        left = self._unary()
        while (operator := self._operator()) and _POWER[operator] >= power:
            column = self._next().column
            if self._peek().kind == "end":
                raise self._error("EL1042E: Problem parsing right operand", self._peek())
            right = self._binary(_POWER[operator] + 1)
            left = ast.Binary(column, operator, left, right)
        self._nesting -= 1
        return left

    def _operator(self) -> str | None:
        token = self._peek()
        if token.kind == "op" and token.value in _POWER:
            return token.value
        if token.kind == "name" and token.value.lower() in WORDS:
            return token.value.lower()
        return None

    def _unary(self) -> ast.Node:
        token = self._peek()
        if token.kind == "op" and token.value in ("!", "-", "+"):
            self._deeper()
            self._next()
            operand = self._unary()
            self._nesting -= 1
            return ast.Unary(token.column, token.value, operand)
        return self._after(self._primary())

    def _primary(self) -> ast.Node:
        token = self._next()
        column = token.column
        match token:
            case Token(kind="value"):
                return ast.Literal(column, token.value)
            case Token(kind="name"):
                return self._name(token)
            case Token(kind="op", value="("):
                node = self._expression()
                self._expect(")")
                return node
            case Token(kind="op", value="{"):
                return self._braces(column)
            case Token(kind="op", value="#"):
                return self._hash(column)
            case Token(kind="op", value="[" | "?[" | "^[" | "$[" | "!["):
                self._at -= 1
                return self._bracketed(None, safe=False)
            case _:
                raise self._unexpected(token)

    def _hash(self, column: int) -> ast.Node:
        name = self._identifier()
        return ast.Call(column, name, self._arguments()) if self._is("(") else ast.Variable(column, name)

    def _name(self, token: Token) -> ast.Node:
        constants = {"true": True, "false": False, "null": None}
        if token.value.lower() in constants and not self._is("("):
            return ast.Literal(token.column, constants[token.value.lower()])
        if token.value == "T" and self._is("("):
            self._next()
            name = self._dotted()
            while self._take("["):
                self._expect("]")
                name += "[]"
            self._expect(")")
            return ast.TypeOf(token.column, name)
        if token.value.lower() == "new" and self._peek().kind == "name":
            return self._new(token.column)
        return self._member(None, token, safe=False)

    def _member(self, target: ast.Node | None, token: Token, *, safe: bool) -> ast.Node:
        if self._is("("):
            return ast.Method(token.column, target, safe, token.value, self._arguments())
        return ast.Property(token.column, target, safe, token.value)

    def _new(self, column: int) -> ast.Node:
        name = self._dotted()
        if self._is("("):
            return ast.New(column, name, self._arguments())
        sizes: list[ast.Node | None] = []
        while self._take("["):
            sizes.append(None if self._is("]") else self._expression())
            self._expect("]")
        if not sizes:
            raise self._error("EL1050E: The arguments '(...)' for the constructor call are missing", self._peek())
        items: ast.ListOf | None = None
        if self._is("{"):
            opening = self._next()
            made = self._braces(opening.column)
            if not isinstance(made, ast.ListOf):
                raise self._error("An array is filled with a list, not with a map", opening)
            items = made
        return ast.NewArray(column, name, tuple(sizes), items)

    def _identifier(self) -> str:
        token = self._next()
        if token.kind != "name":
            raise self._unexpected(token)
        return token.value

    def _dotted(self) -> str:
        parts = [self._identifier()]
        while self._take("."):
            parts.append(self._identifier())
        return ".".join(parts)

    def _arguments(self) -> tuple[ast.Node, ...]:
        self._expect("(")
        return self._listed(")", self._expression)

    def _listed(self, end: str, item: Callable[[], ast.Node]) -> tuple[ast.Node, ...]:
        items: list[ast.Node] = []
        if self._take(end):
            return ()
        while True:
            items.append(item())
            if self._take(end):
                return tuple(items)
            self._expect(",")

    def _braces(self, column: int) -> ast.Node:
        if self._take("}"):
            return ast.ListOf(column, ())
        if self._take(":"):
            self._expect("}")
            return ast.MapOf(column, ())
        first = self._expression()
        if not self._is(":"):
            rest = () if self._take("}") else self._more_items()
            return ast.ListOf(column, (first, *rest))
        entries: list[tuple[ast.Node, ast.Node]] = []
        key = first
        while True:
            self._expect(":")
            entries.append((_as_key(key), self._expression()))
            if self._take("}"):
                return ast.MapOf(column, tuple(entries))
            self._expect(",")
            key = self._expression()

    def _more_items(self) -> tuple[ast.Node, ...]:
        self._expect(",")
        return self._listed("}", self._expression)

    def _after(self, node: ast.Node) -> ast.Node:
        """Read what follows a value: `.name`, `.name(…)`, `[…]`, `.?[…]`, `.![…]` and their safe forms."""
        while True:
            if self._is(*_BRACKETS):
                node = self._bracketed(node, safe=False)
            elif self._is(".", "?."):
                safe = self._next().value == "?."
                token = self._peek()
                if self._is(*_BRACKETS):
                    node = self._bracketed(node, safe=safe)
                elif token.kind == "name":
                    node = self._member(node, self._next(), safe=safe)
                elif token.kind == "end":
                    raise self._unexpected(token)
                else:
                    what = f"EL1049E: Unexpected data after '.': '{str(token.value)[:100]}'"
                    raise self._error(what, token)
            else:
                return node

    def _bracketed(self, target: ast.Node | None, *, safe: bool) -> ast.Node:
        token = self._next()
        if token.value != "[" and self._is("]"):
            raise self._error("EL1071E: A required selection expression has not been specified", self._peek())
        inner = self._expression()
        self._expect("]")
        match token.value:
            case "[":
                return ast.Index(token.column, target, safe, inner)
            case "![":
                return ast.Projection(token.column, target, safe, inner)
            case which:
                return ast.Selection(token.column, target, safe, which[0], inner)


def _as_key(node: ast.Node) -> ast.Node:
    """A bare name as a map's key is text."""
    if isinstance(node, ast.Property) and node.target is None:
        return ast.Literal(node.column, node.name)
    return node
