"""Tokens into a tree: operators by their binding power (Pratt), then what follows a value."""

from collections.abc import Callable
from functools import lru_cache

from spel import ast
from spel.errors import ParseError
from spel.lexer import WORDS, Token, tokens

_POWER = {
    "||": 2, "&&": 3,
    "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "instanceof": 4, "matches": 4, "between": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "^": 7,
}  # fmt: skip
_UNARY_POWER = 6
_FORBIDDEN = {"=": "Assignment is", "++": "Increment is", "--": "Decrement is", "@": "Bean references are"}
_MAX_NESTING = 100


@lru_cache(maxsize=4096)
def parse(text: str) -> ast.Node:
    """Parse an expression; raise `ParseError`. Results are kept, so a repeated text costs nothing."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokens(text)
        self._at = 0
        self._nesting = 0

    def whole(self) -> ast.Node:
        if self._peek().kind == "end":
            raise ParseError("There is no expression here", self._text, 0)
        node = self._expression()
        if self._peek().kind != "end":
            raise self._unexpected(self._peek())
        return node

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._tokens[self._at]
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
            seen = "the end" if found.kind == "end" else repr(found.value)
            raise ParseError(
                f"Expected '{operator}' but found {seen} at character {found.column}", self._text, found.column
            )

    def _unexpected(self, token: Token) -> ParseError:
        if token.kind == "end":
            return ParseError("The expression ends too early", self._text, token.column)
        if token.kind == "op" and token.value in _FORBIDDEN:
            return ParseError(f"{_FORBIDDEN[token.value]} not supported", self._text, token.column)
        return ParseError(f"Unexpected {token.value!r} at character {token.column}", self._text, token.column)

    def _expression(self) -> ast.Node:
        self._nesting += 1
        if self._nesting > _MAX_NESTING:
            raise ParseError("The expression is nested too deeply", self._text, self._peek().column)
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
        left = self._unary()
        while (operator := self._operator()) and _POWER[operator] >= power:
            column = self._next().column
            right = self._binary(_POWER[operator] + 1)
            left = ast.Binary(column, operator, left, right)
        return left

    def _operator(self) -> str | None:
        token = self._peek()
        if token.kind == "op" and token.value in _POWER:
            return token.value
        if token.kind == "name" and token.value in WORDS:
            return token.value
        return None

    def _unary(self) -> ast.Node:
        token = self._peek()
        if token.kind == "op" and token.value in ("!", "-", "+"):
            self._next()
            self._nesting += 1
            if self._nesting > _MAX_NESTING:
                raise ParseError("The expression is nested too deeply", self._text, token.column)
            operand = self._binary(_UNARY_POWER + 1) if token.value != "!" else self._unary()
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
                name = self._identifier()
                return ast.Call(column, name, self._arguments()) if self._is("(") else ast.Variable(column, name)
            case Token(kind="op", value="["):
                key = self._expression()
                self._expect("]")
                return ast.Index(column, ast.Variable(column, "this"), key, False)
            case Token(kind="op", value="?[" | "^[" | "$[" | "!["):
                self._at -= 1
                return self._bracketed(ast.Variable(column, "this"), safe=False)
            case _:
                raise self._unexpected(token)

    def _name(self, token: Token) -> ast.Node:
        constants = {"true": True, "false": False, "null": None}
        if token.value.lower() in constants and not self._is("("):
            return ast.Literal(token.column, constants[token.value.lower()])
        if token.value == "T" and self._is("("):
            self._next()
            name = self._dotted()
            self._expect(")")
            return ast.TypeOf(token.column, name)
        if token.value == "new" and self._peek().kind == "name":
            return ast.New(token.column, self._dotted(), self._arguments())
        if self._is("("):
            return ast.Method(token.column, None, token.value, self._arguments(), False)
        return ast.Property(token.column, None, token.value, False)

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
            if self._is("[", "?[", "^[", "$[", "!["):
                node = self._bracketed(node, safe=False)
            elif self._is(".", "?."):
                safe = self._next().value == "?."
                if self._is("[", "?[", "^[", "$[", "!["):
                    node = self._bracketed(node, safe=safe)
                    continue
                token = self._next()
                if token.kind != "name":
                    raise self._unexpected(token)
                if self._is("("):
                    node = ast.Method(token.column, node, token.value, self._arguments(), safe)
                else:
                    node = ast.Property(token.column, node, token.value, safe)
            else:
                return node

    def _bracketed(self, target: ast.Node, *, safe: bool) -> ast.Node:
        token = self._next()
        inner = self._expression()
        self._expect("]")
        match token.value:
            case "[":
                return ast.Index(token.column, target, inner, safe)
            case "![":
                return ast.Projection(token.column, target, inner, safe)
            case which:
                return ast.Selection(token.column, target, which[0], inner, safe)


def _as_key(node: ast.Node) -> ast.Node:
    """A bare name as a map's key is text."""
    if isinstance(node, ast.Property) and node.target is None:
        return ast.Literal(node.column, node.name)
    return node
