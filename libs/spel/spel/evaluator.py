"""A tree and a root into a value, by Java's rules, within limits.

A property is a map's key or what a `SpelObject` shows; a method is one of `spel.methods`. Python's own
attributes are never looked up.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, cast

from spel import ast
from spel.errors import EvaluationError, LimitError
from spel.limits import DEFAULT_LIMITS, Limits
from spel.methods import methods_of, pattern
from spel.objects import JavaObject, SpelObject, to_text, type_name
from spel.types import JavaType, find_type

Functions = Mapping[str, Callable[..., Any]]


class Evaluator:
    """Evaluates one expression against a root. Not to be shared between threads."""

    def __init__(
        self,
        text: str,
        root: Any,
        *,
        functions: Functions | None = None,
        variables: Mapping[str, Any] | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._text = text
        self._root = root
        self._functions = functions or {}
        self._variables = variables or {}
        self._limits = limits
        self._steps = limits.steps
        self._depth = 0

    def value(self, node: ast.Node) -> Any:
        """Evaluate the tree; raise `EvaluationError`."""
        return self._eval(node, self._root)

    def _fail(self, node: ast.Node, message: str) -> NoReturn:
        raise EvaluationError(message, self._text, node.column)

    def _eval(self, node: ast.Node, this: Any) -> Any:
        self._steps -= 1
        self._depth += 1
        if self._steps < 0:
            raise LimitError(f"The expression needs more than {self._limits.steps} steps", self._text, node.column)
        if self._depth > self._limits.depth:
            raise LimitError("The expression is nested too deeply", self._text, node.column)
        try:
            return _EVALUATORS[type(node)](self, node, this)
        finally:
            self._depth -= 1

    def _literal(self, node: ast.Literal, _: Any) -> Any:
        return node.value

    def _list(self, node: ast.ListOf, this: Any) -> Any:
        return [self._eval(item, this) for item in node.items]

    def _map(self, node: ast.MapOf, this: Any) -> Any:
        return {self._key(key, self._eval(key, this)): self._eval(value, this) for key, value in node.entries}

    def _key(self, node: ast.Node, value: Any) -> Any:
        if value is None or isinstance(value, str | int | float):
            return value
        self._fail(node, f"A {type_name(value)} can't be a key")

    def _variable(self, node: ast.Variable, this: Any) -> Any:
        if node.name == "root":
            return self._root
        if node.name == "this":
            return this
        return self._variables.get(node.name)

    def _call(self, node: ast.Call, this: Any) -> Any:
        function = self._functions.get(node.name)
        if function is None:
            self._fail(node, f"EL1006E: Function '{node.name}' could not be found")
        arguments = [self._eval(argument, this) for argument in node.arguments]
        return self._guarded(node, f"#{node.name}", lambda: function(*arguments))

    def _property(self, node: ast.Property, this: Any) -> Any:
        target = this if node.target is None else self._eval(node.target, this)
        if target is None:
            if node.safe:
                return None
            self._fail(node, f"EL1007E: Property or field '{node.name}' cannot be found on null")
        if isinstance(target, Mapping) and not isinstance(target, JavaObject):
            return cast(Mapping[str, Any], target).get(node.name)
        if isinstance(target, SpelObject):
            return self._shown(node, target, node.name)
        if isinstance(target, JavaType) and node.name in target.constants:
            return target.constants[node.name]
        if isinstance(target, list) and node.name in ("empty", "size"):
            return len(cast(list[Any], target)) if node.name == "size" else not target
        self._fail(
            node,
            f"EL1008E: Property or field '{node.name}' cannot be found on object of type '{self._type(target)}'",
        )

    def _shown(self, node: ast.Node, target: SpelObject, name: str) -> Any:
        if not target.spel_has(name):
            self._fail(
                node, f"EL1008E: Property or field '{name}' cannot be found on object of type '{self._type(target)}'"
            )
        return target.spel_get(name)

    def _type(self, value: Any) -> str:
        return value.name if isinstance(value, JavaType) else type_name(value)

    def _method(self, node: ast.Method, this: Any) -> Any:
        target = this if node.target is None else self._eval(node.target, this)
        if target is None:
            if node.safe:
                return None
            self._fail(node, f"EL1011E: Method call: Attempted to call method {node.name}() on null context object")
        method = self._find_method(node, target)
        arguments = [self._eval(argument, this) for argument in node.arguments]
        return self._guarded(node, f"{node.name}()", lambda: method(*arguments))

    def _find_method(self, node: ast.Method, target: Any) -> Callable[..., Any]:
        if isinstance(target, JavaType):
            static = target.statics.get(node.name)
            if static is not None:
                return static
        else:
            own = methods_of(target).get(node.name)
            if own is not None:
                return lambda *arguments: own(target, *arguments)
        self._fail(
            node,
            f"EL1004E: Method call: Method {node.name}() cannot be found on type {self._type(target)},"
            " or may not be called",
        )

    def _guarded(self, node: ast.Node, what: str, act: Callable[[], Any]) -> Any:
        """Run host code; whatever it doesn't like becomes an error of this expression."""
        try:
            result = act()
        except EvaluationError:
            raise
        except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise EvaluationError(f"{what} failed: {error}", self._text, node.column) from error
        return self._bounded(node, result)

    def _bounded(self, node: ast.Node, value: Any) -> Any:
        if isinstance(value, str) and len(value) > self._limits.output_length:
            raise LimitError(
                f"A text longer than {self._limits.output_length} characters came out", self._text, node.column
            )
        if isinstance(value, int) and value.bit_length() > 256:
            raise LimitError("A number too large came out", self._text, node.column)
        if isinstance(value, list) and len(cast(list[Any], value)) > self._limits.collection_size:
            raise LimitError(f"More than {self._limits.collection_size} elements came out", self._text, node.column)
        return cast(Any, value)

    def _index(self, node: ast.Index, this: Any) -> Any:
        target = self._eval(node.target, this)
        if target is None:
            if node.safe:
                return None
            self._fail(node, "EL1012E: Cannot index into a null value")
        key_node = node.key
        if isinstance(key_node, ast.Property) and key_node.target is None and isinstance(target, Mapping):
            # `map[key]` with a bare name means the name itself, as in Spring.
            return cast(Mapping[str, Any], target).get(key_node.name)
        key = self._eval(key_node, this)
        if isinstance(target, Mapping):
            return cast(Mapping[Any, Any], target).get(self._key(key_node, key))
        if isinstance(target, SpelObject):
            return self._shown(node, target, to_text(key))
        if isinstance(target, list | tuple | str):
            return self._element(node, cast(Sequence[Any], target), key)
        self._fail(node, f"EL1027E: Indexing into type '{self._type(target)}' is not supported")

    def _element(self, node: ast.Index, target: Sequence[Any], key: Any) -> Any:
        try:
            position = int(key)
        except (TypeError, ValueError):
            self._fail(node, f"EL1001E: '{to_text(key)}' is not a number to index with")
        if not 0 <= position < len(target):
            self._fail(node, f"EL1025E: The collection has '{len(target)}' elements, index '{position}' is invalid")
        return target[position]

    def _elements(self, node: ast.Node, target: Any) -> list[Any]:
        if isinstance(target, list | tuple):
            return list(cast(Sequence[Any], target))
        if isinstance(target, Mapping):
            return [{"key": key, "value": value} for key, value in cast(Mapping[Any, Any], target).items()]
        self._fail(node, f"EL1021E: A selection or projection needs a list or a map, not '{self._type(target)}'")

    def _selection(self, node: ast.Selection, this: Any) -> Any:
        target = self._eval(node.target, this)
        if target is None and node.safe:
            return None
        chosen: list[Any] = []
        for element in self._elements(node, target):
            if self._truth(node.test, self._eval(node.test, element)):
                chosen.append(element)
                if node.which == "^":
                    break
        if isinstance(target, Mapping):
            kept = chosen if node.which == "?" else chosen[-1:]
            return {entry["key"]: entry["value"] for entry in kept}
        if node.which == "?":
            return chosen
        return chosen[-1] if chosen else None

    def _projection(self, node: ast.Projection, this: Any) -> Any:
        target = self._eval(node.target, this)
        if target is None and node.safe:
            return None
        return [self._eval(node.value, element) for element in self._elements(node, target)]

    def _truth(self, node: ast.Node, value: Any) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false", "yes", "no", "on", "off", "1", "0"):
            return value.lower() in ("true", "yes", "on", "1")
        self._fail(node, f"EL1001E: '{to_text(value)}' is neither true nor false")

    def _unary(self, node: ast.Unary, this: Any) -> Any:
        value = self._eval(node.operand, this)
        if node.operator == "!":
            return not self._truth(node, value)
        number = self._number(node, value)
        return -number if node.operator == "-" else number

    def _number(self, node: ast.Node, value: Any) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._fail(node, f"EL1030E: '{to_text(value)}' ({type_name(value)}) is not a number")
        return value

    def _binary(self, node: ast.Binary, this: Any) -> Any:
        operator = node.operator
        left = self._eval(node.left, this)
        if operator == "&&":
            return self._truth(node, left) and self._truth(node, self._eval(node.right, this))
        if operator == "||":
            return self._truth(node, left) or self._truth(node, self._eval(node.right, this))
        right = self._eval(node.right, this)
        if operator in ("==", "!="):
            return _equal(left, right) == (operator == "==")
        if operator in ("<", "<=", ">", ">="):
            return self._compare(node, left, right)
        if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
            return self._bounded(node, to_text(left) + to_text(right))
        if operator == "+" and isinstance(left, list) and isinstance(right, list):
            return self._bounded(node, cast(list[Any], left) + cast(list[Any], right))
        if operator in ("matches", "between", "instanceof"):
            return self._worded(node, left, right)
        return self._arithmetic(node, left, right)

    def _worded(self, node: ast.Binary, left: Any, right: Any) -> bool:
        if node.operator == "matches":
            return self._guarded(node, "matches", lambda: pattern(to_text(right)).fullmatch(to_text(left)) is not None)
        if node.operator == "instanceof":
            if not isinstance(right, JavaType):
                self._fail(node, "EL1031E: 'instanceof' needs a type, as in T(String)")
            return type_name(left) == right.name
        if not isinstance(right, list) or len(cast(list[Any], right)) != 2:
            self._fail(node, "EL1034E: 'between' needs a list of two: {low, high}")
        low, high = cast(list[Any], right)
        return self._order(node, low, left) <= 0 <= self._order(node, high, left)

    def _order(self, node: ast.Node, left: Any, right: Any) -> int:
        if left is None or right is None:
            return (left is not None) - (right is not None)
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if numbers or (isinstance(left, str) and isinstance(right, str)):
            a, b = cast(Any, left), cast(Any, right)
            return (a > b) - (a < b)
        if isinstance(left, JavaObject) and isinstance(right, JavaObject) and hasattr(left, "at"):
            return self._order(node, to_text(left), to_text(right))
        self._fail(node, f"EL1013E: Cannot compare instances of {type_name(left)} and {type_name(right)}")

    def _compare(self, node: ast.Binary, left: Any, right: Any) -> bool:
        order = self._order(node, left, right)
        match node.operator:
            case "<":
                return order < 0
            case "<=":
                return order <= 0
            case ">":
                return order > 0
            case _:
                return order >= 0

    def _arithmetic(self, node: ast.Binary, left: Any, right: Any) -> Any:
        """Numbers as in Java: whole ones divide to whole ones, towards zero."""
        a, b = self._number(node, left), self._number(node, right)
        whole = isinstance(a, int) and isinstance(b, int)
        match node.operator:
            case "+":
                result = a + b
            case "-":
                result = a - b
            case "*":
                result = a * b
            case "/" | "%" if whole and b == 0:
                self._fail(node, "Division by zero")
            case "/":
                result = self._quotient(a, b)
            case "%":
                result = a - b * int(a / b) if not whole else _remainder(int(a), int(b))
            case _:
                result = self._power(node, a, b)
        return self._bounded(node, result)

    def _quotient(self, a: float, b: float) -> int | float:
        if isinstance(a, int) and isinstance(b, int):
            return _truncated(a, b)
        if b == 0:
            return float("nan") if a == 0 or a != a else float("inf") * (1 if a > 0 else -1)
        return a / b

    def _power(self, node: ast.Node, a: float, b: float) -> int | float:
        if abs(b) > 1024:
            raise LimitError("A power above 1024 is not allowed", self._text, node.column)
        try:
            result = a**b
        except (ArithmeticError, ValueError) as error:
            raise EvaluationError(f"The power can't be computed: {error}", self._text, node.column) from error
        if isinstance(result, complex):
            return float("nan")
        return result

    def _ternary(self, node: ast.Ternary, this: Any) -> Any:
        return self._eval(node.yes if self._truth(node, self._eval(node.test, this)) else node.no, this)

    def _elvis(self, node: ast.Elvis, this: Any) -> Any:
        value = self._eval(node.value, this)
        return self._eval(node.otherwise, this) if value is None or value == "" else value

    def _type_of(self, node: ast.TypeOf, _: Any) -> JavaType:
        found = find_type(node.name)
        if found is None:
            self._fail(node, f"EL1005E: Type '{node.name}' cannot be found, or may not be used in expressions")
        return found

    def _new(self, node: ast.New, this: Any) -> Any:
        found = find_type(node.name)
        construct = found.construct if found else None
        if construct is None:
            self._fail(node, f"EL1003E: A '{node.name}' cannot be made, or may not be in expressions")
        arguments = [self._eval(argument, this) for argument in node.arguments]
        return self._guarded(node, f"new {node.name}", lambda: construct(*arguments))


def _truncated(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _remainder(a: int, b: int) -> int:
    return a - b * _truncated(a, b)


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, JavaObject) or isinstance(right, JavaObject):
        return left is right or (type(left) is type(right) and to_text(left) == to_text(right))
    return bool(left == right)


_EVALUATORS: dict[type[ast.Node], Callable[[Evaluator, Any, Any], Any]] = {
    ast.Literal: Evaluator._literal,  # pyright: ignore[reportPrivateUsage]
    ast.ListOf: Evaluator._list,  # pyright: ignore[reportPrivateUsage]
    ast.MapOf: Evaluator._map,  # pyright: ignore[reportPrivateUsage]
    ast.Variable: Evaluator._variable,  # pyright: ignore[reportPrivateUsage]
    ast.Call: Evaluator._call,  # pyright: ignore[reportPrivateUsage]
    ast.Property: Evaluator._property,  # pyright: ignore[reportPrivateUsage]
    ast.Method: Evaluator._method,  # pyright: ignore[reportPrivateUsage]
    ast.Index: Evaluator._index,  # pyright: ignore[reportPrivateUsage]
    ast.Selection: Evaluator._selection,  # pyright: ignore[reportPrivateUsage]
    ast.Projection: Evaluator._projection,  # pyright: ignore[reportPrivateUsage]
    ast.Unary: Evaluator._unary,  # pyright: ignore[reportPrivateUsage]
    ast.Binary: Evaluator._binary,  # pyright: ignore[reportPrivateUsage]
    ast.Ternary: Evaluator._ternary,  # pyright: ignore[reportPrivateUsage]
    ast.Elvis: Evaluator._elvis,  # pyright: ignore[reportPrivateUsage]
    ast.TypeOf: Evaluator._type_of,  # pyright: ignore[reportPrivateUsage]
    ast.New: Evaluator._new,  # pyright: ignore[reportPrivateUsage]
}
