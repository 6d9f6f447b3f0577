"""A tree and a root into a value, by Java's rules, within limits.

A property is a map's key or what a `SpelObject` shows; a method is one of `spel.methods`. Python's own
attributes are never looked up. Chains (`a.b().c`, `a + b + c`, `a ? b : c ? d : e`) are walked in loops, so only
what is nested in brackets takes depth.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, cast

from spel import ast
from spel.containers import WALKING
from spel.errors import EvaluationError, LimitError, Thrown
from spel.limits import CHARACTERS_A_STEP, DEFAULT_LIMITS, NUMBER_BITS, Limits, Meter
from spel.methods import methods_of
from spel.numbers import is_number, parse_whole, to_int_of
from spel.objects import JavaArray, JavaObject, SpelObject, to_text, type_name
from spel.operators import (
    Fault,
    arithmetic,
    compared,
    is_between,
    is_instance,
    is_match,
    no_conversion,
    same,
    signed,
    truth,
)
from spel.types import PRIMITIVES, JavaType, find_type, new_array

Functions = Mapping[str, Callable[..., Any]]
_NO_CONVERSION = "java.lang.IllegalArgumentException"


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
        meter: Meter | None = None,
    ) -> None:
        self._text = text
        self._root = root
        self._functions = {} if functions is None else functions
        self._variables = variables or {}
        self._limits = limits
        self._meter = meter or Meter(limits.steps)
        self._depth = 0

    def value(self, node: ast.Node) -> Any:
        """Evaluate the tree; raise `EvaluationError`."""
        return self._eval(node, self._root)

    def _fail(self, node: ast.Node, message: str, kind: str | None = None) -> NoReturn:
        raise EvaluationError(message, self._text, node.column, kind)

    def _spend(self, node: ast.Node, steps: int) -> None:
        try:
            self._meter.spend(steps)
        except LimitError as error:
            raise LimitError(error.message, self._text, node.column) from None

    def _weigh(self, node: ast.Node, value: Any) -> None:
        if isinstance(value, str):
            self._spend(node, len(value) // CHARACTERS_A_STEP)
        elif isinstance(value, list | tuple | dict):
            try:
                self._meter.weigh(value)
            except LimitError as error:
                raise LimitError(error.message, self._text, node.column) from None

    def _eval(self, node: ast.Node, this: Any) -> Any:
        self._depth += 1
        if self._depth > self._limits.depth:
            raise LimitError("The expression is nested too deeply", self._text, node.column)
        while True:
            self._spend(node, 1)
            if isinstance(node, ast.Ternary):
                node = node.yes if self._truth(node.test, self._eval(node.test, this)) else node.no
            elif isinstance(node, ast.Elvis):
                value = self._eval(node.value, this)
                if value is not None and value != "":
                    break
                node = node.otherwise
            else:
                value = _EVALUATORS[type(node)](self, node, this)
                break
        self._depth -= 1
        return value

    def _literal(self, node: ast.Literal, _: Any) -> Any:
        return node.value

    def _list(self, node: ast.ListOf, this: Any) -> Any:
        return [self._eval(item, this) for item in node.items]

    def _map(self, node: ast.MapOf, this: Any) -> Any:
        return {self._key(key, self._eval(key, this)): self._eval(value, this) for key, value in node.entries}

    def _key(self, node: ast.Node, value: Any) -> Any:
        if value is None or isinstance(value, str | int | float):
            return value
        if isinstance(value, JavaObject):
            return value.text()
        self._fail(node, f"A {type_name(value)} can't be a key")

    def _variable(self, node: ast.Variable, this: Any) -> Any:
        if node.name == "root":
            return self._root
        if node.name == "this":
            return this
        return self._variables.get(node.name)

    # --- functions and methods

    def _arguments(self, nodes: tuple[ast.Node, ...], this: Any) -> list[Any]:
        return [self._eval(argument, this) for argument in nodes]

    def _call(self, node: ast.Call, this: Any) -> Any:
        arguments = self._arguments(node.arguments, this)
        function = self._functions.get(node.name)
        if function is None:
            self._fail(node, f"EL1006E: Function '{node.name}' could not be found")
        for argument in arguments:
            self._weigh(node, argument)
        try:
            result = function(*arguments)
        except EvaluationError:
            raise
        except TypeError as error:
            self._fail(node, f"EL1014E: The function '{node.name}' can't be called like this: {error}")
        except (ValueError, ArithmeticError, LookupError, AttributeError) as error:
            told = f"EL1023E: A problem occurred whilst attempting to invoke the function '{node.name}': 'null'"
            kind = error.kind if isinstance(error, Thrown) else _NO_CONVERSION
            raise EvaluationError(f"{error} - {told}", self._text, node.column, kind) from error
        return self._bounded(node, result)

    def _method(self, node: ast.Method, target: Any, this: Any) -> Any:
        arguments = self._arguments(node.arguments, this)
        if target is None:
            if node.safe:
                return None
            what = f"Attempted to call method {_signature(node.name, arguments)} on null context object"
            self._fail(node, f"EL1011E: Method call: {what}")
        return self._invoke(node, target, node.name, arguments)

    def _invoke(self, node: ast.Node, target: Any, name: str, arguments: list[Any]) -> Any:
        own: Callable[..., Any] | None = None
        given = arguments
        if isinstance(target, JavaType):
            own = target.statics.get(name)
        elif isinstance(target, SpelObject):
            return self._getter(node, target, name, arguments)
        else:
            own, given = methods_of(target).get(name), [target, *arguments]
        if own is None:
            self._no_method(node, target, name, arguments)
        if isinstance(target, str):
            self._weigh(node, target)
        for each in given if name in WALKING else [each for each in arguments if isinstance(each, str)]:
            self._weigh(node, each)
        try:
            result = own(*given)
        except EvaluationError as error:
            raise type(error)(error.message, self._text, node.column, error.kind) from error
        except Thrown as error:
            self._fail(node, error.message, error.kind)
        except (TypeError, AttributeError) as error:
            self._no_method(node, target, name, arguments, str(error))
        except (ValueError, ArithmeticError, LookupError) as error:
            self._fail(node, f"{name}() failed: {error}", _NO_CONVERSION)
        return self._bounded(node, result)

    def _getter(self, node: ast.Node, target: SpelObject, name: str, arguments: list[Any]) -> Any:
        """Call `getName()` or `isName()` of an object: the property `name`."""
        for prefix in ("get", "is"):
            shown = name[len(prefix) :]
            if name.startswith(prefix) and shown and not arguments:
                shown = shown[0].lower() + shown[1:]
                if target.spel_has(shown):
                    return target.spel_get(shown)
        if not arguments and name == "toString":
            return self._bounded(node, to_text(target))
        self._no_method(node, target, name, arguments)

    def _no_method(self, node: ast.Node, target: Any, name: str, arguments: list[Any], why: str = "") -> NoReturn:
        what = f"EL1004E: Method call: Method {_signature(name, arguments)} cannot be found on type {_type(target)}"
        allowed = name in target.statics if isinstance(target, JavaType) else name in methods_of(target)
        self._fail(node, what if allowed and not why else f"{what} ({why or 'or may not be called'})")

    def _bounded(self, node: ast.Node, value: Any) -> Any:
        limits = self._limits
        if isinstance(value, str):
            if len(value) > limits.output_length:
                raise LimitError(
                    f"A text longer than {limits.output_length} characters came out", self._text, node.column
                )
            self._spend(node, len(value) // CHARACTERS_A_STEP)
        elif isinstance(value, list):
            size = len(cast(list[Any], value))
            if size > limits.collection_size:
                raise LimitError(f"More than {limits.collection_size} elements came out", self._text, node.column)
            self._spend(node, size // 8)
        elif isinstance(value, int) and value.bit_length() > NUMBER_BITS:
            raise LimitError("A number too large came out", self._text, node.column)
        return cast(Any, value)

    # --- links of a chain

    def _chain(self, node: ast.Link, this: Any) -> Any:
        links = [node]
        while isinstance(target := links[-1].target, ast.Link):
            links.append(target)
        value = this if target is None else self._eval(target, this)
        for link in reversed(links):
            self._spend(link, 1)
            value = _LINKS[type(link)](self, link, value, this)
        return value

    def _property(self, node: ast.Property, target: Any, _: Any) -> Any:
        name = node.name
        if target is None:
            if node.safe:
                return None
            self._fail(node, f"EL1007E: Property or field '{name}' cannot be found on null")
        if isinstance(target, Mapping):
            return cast(Mapping[str, Any], target).get(name)
        if isinstance(target, SpelObject):
            if target.spel_has(name):
                return self._shown(node, target, name)
        elif isinstance(target, JavaType):
            if name in target.constants:
                return target.constants[name]
        else:
            if name == "length" and isinstance(target, JavaArray):
                return len(target)
            getter = self._getter_of(target, name)
            if getter is not None:
                return self._invoke(node, target, getter, [])
        self._no_property(node, target, name)

    def _no_property(self, node: ast.Node, target: Any, name: str) -> NoReturn:
        what = f"Property or field '{name}' cannot be found on object of type '{_type(target)}'"
        self._fail(node, f"EL1008E: {what} - maybe not public or not valid?")

    def _shown(self, node: ast.Node, target: SpelObject, name: str) -> Any:
        try:
            return target.spel_get(name)
        except (Thrown, EvaluationError) as error:
            self._fail(node, error.message, error.kind)

    def _getter_of(self, target: Any, name: str) -> str | None:
        methods = methods_of(target)
        upper = name[:1].upper() + name[1:]
        return next((each for each in (f"get{upper}", f"is{upper}", name) if each in methods), None)

    def _index(self, node: ast.Index, target: Any, this: Any) -> Any:
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
        if isinstance(target, list | tuple | str):
            return self._element(node, cast(Sequence[Any], target), key)
        if isinstance(target, SpelObject) and isinstance(key, str):
            if target.spel_has(key):
                return self._shown(node, target, key)
            self._no_property(node, target, key)
        self._fail(node, f"EL1027E: Indexing into type '{_type(target)}' is not supported")

    def _element(self, node: ast.Index, target: Sequence[Any], key: Any) -> Any:
        position = self._position(node, key)
        if not 0 <= position < len(target):
            size = len(target)
            if isinstance(target, str):
                self._fail(node, f"EL1026E: The string has '{size}' characters, index '{position}' is invalid")
            if isinstance(target, JavaArray):
                self._fail(node, f"EL1024E: The array has '{size}' elements, index '{position}' is invalid")
            self._fail(node, f"EL1025E: The collection has '{size}' elements, index '{position}' is invalid")
        return target[position]

    def _position(self, node: ast.Node, key: Any) -> int:
        try:
            if isinstance(key, str):
                return parse_whole(key)
            if is_number(key):
                return to_int_of(key, -(2**31), 2**31 - 1)
        except Thrown:
            pass
        self._fail(node, no_conversion(key, "java.lang.Integer").args[0])

    def _elements(self, target: Any) -> list[Any] | None:
        if isinstance(target, list | tuple):
            return list(cast(Sequence[Any], target))
        if isinstance(target, Mapping):
            return [{"key": key, "value": value} for key, value in cast(Mapping[Any, Any], target).items()]
        return None

    def _selection(self, node: ast.Selection, target: Any, _: Any) -> Any:
        if target is None and node.safe:
            return None
        elements = self._elements(target)
        if elements is None:
            self._fail(node, f"EL1015E: Cannot perform selection on input data of type '{_type(target)}'")
        chosen: list[Any] = []
        for element in elements:
            verdict = self._eval(node.test, element)
            if not isinstance(verdict, bool):
                self._fail(node.test, "EL1016E: Result of selection criteria is not boolean")
            if verdict:
                chosen.append(element)
                if node.which == "^":
                    break
        if node.which != "?" and not chosen:
            return None
        kept = chosen if node.which == "?" else chosen[-1:]
        if isinstance(target, Mapping):
            return {entry["key"]: entry["value"] for entry in kept}
        return kept if node.which == "?" else kept[0]

    def _projection(self, node: ast.Projection, target: Any, _: Any) -> Any:
        if target is None and node.safe:
            return None
        elements = self._elements(target)
        if elements is None:
            self._fail(node, f"EL1019E: Projection is not supported on the type '{_type(target)}'")
        return self._bounded(node, [self._eval(node.value, element) for element in elements])

    # --- operators

    def _applied(self, node: ast.Node, operation: Callable[..., Any], *values: Any) -> Any:
        for value in values:
            self._weigh(node, value)
        try:
            result = operation(*values)
        except LimitError as error:
            raise LimitError(error.message, self._text, node.column) from error
        except Thrown as error:
            self._fail(node, error.message, error.kind)
        except Fault as error:
            self._fail(node, str(error))
        return self._bounded(node, result)

    def _truth(self, node: ast.Node, value: Any) -> bool:
        return value if isinstance(value, bool) else self._applied(node, truth, value)

    def _unary(self, node: ast.Unary, this: Any) -> Any:
        value = self._eval(node.operand, this)
        if node.operator == "!":
            return not self._truth(node, value)
        return self._applied(node, lambda number: signed(node.operator, number), value)

    def _binary(self, node: ast.Binary, this: Any) -> Any:
        spine = [node]
        while isinstance(left := spine[-1].left, ast.Binary):
            spine.append(left)
        value = self._eval(left, this)
        for operation in reversed(spine):
            self._spend(operation, 1)
            value = self._operate(operation, value, this)
        return value

    def _operate(self, node: ast.Binary, left: Any, this: Any) -> Any:
        operator = node.operator
        if operator == "&&":
            return self._truth(node.left, left) and self._truth(node.right, self._eval(node.right, this))
        if operator == "||":
            return self._truth(node.left, left) or self._truth(node.right, self._eval(node.right, this))
        right = self._eval(node.right, this)
        match operator:
            case "==":
                return self._applied(node, same, left, right)
            case "!=":
                return not self._applied(node, same, left, right)
            case "<" | "<=" | ">" | ">=":
                return self._applied(node, lambda a, b: compared(operator, a, b), left, right)
            case "matches":
                return self._applied(node, is_match, left, right)
            case "between":
                return self._applied(node, is_between, left, right)
            case "instanceof":
                return self._applied(node, is_instance, left, right)
            case _:
                return self._applied(node, lambda a, b: arithmetic(operator, a, b), left, right)

    # --- types

    def _type_of(self, node: ast.TypeOf, _: Any) -> JavaType:
        found = find_type(node.name)
        if found is None:
            self._fail(node, f"EL1005E: Type cannot be found '{node.name}'")
        return found

    def _new(self, node: ast.New, this: Any) -> Any:
        found = find_type(node.name)
        if found is None:
            self._fail(node, f"EL1005E: Type cannot be found '{node.name}'")
        construct = found.construct
        arguments = self._arguments(node.arguments, this)
        kinds = ",".join(map(type_name, arguments))
        missing = (
            f"EL1002E: Constructor call: No suitable constructor found on type {found.name} for arguments ({kinds})"
        )
        if construct is None:
            self._fail(node, missing)
        for argument in arguments:
            self._weigh(node, argument)
        try:
            return self._bounded(node, construct(*arguments))
        except Thrown as error:
            problem = f"A problem occurred whilst attempting to construct an object of type '{found.name}'"
            self._fail(node, f"{error.message} - EL1003E: {problem} using arguments '({kinds})'", error.kind)
        except (TypeError, AttributeError, ArithmeticError):
            self._fail(node, missing)

    def _new_array(self, node: ast.NewArray, this: Any) -> Any:
        size_node, *more = node.sizes
        if more or (node.items is not None and size_node is not None):
            self._fail(node, "EL1063E: Only arrays of one dimension, filled or with a size, can be made")
        if node.items is not None:
            items: list[Any] = self._list(node.items, this)
        else:
            if size_node is None:
                self._fail(node, "EL1063E: A required array dimension has not been specified")
            size = self._position(size_node, self._eval(size_node, this))
            if not 0 <= size <= self._limits.collection_size:
                self._fail(node, f"EL1075E: Array declares too many elements ({size})")
            self._spend(node, size // 8)
            items = [PRIMITIVES.get(node.name)] * size
        try:
            return self._applied(node, lambda given: new_array(node.name, given), items)
        except LookupError:
            self._fail(node, f"EL1005E: Type cannot be found '{node.name}'")
        except TypeError as error:
            self._fail(node, f"EL1001E: Type conversion problem: {error}")


def _signature(name: str, arguments: list[Any]) -> str:
    return f"{name}({','.join(map(_type, arguments))})"


def _type(value: Any) -> str:
    return value.name if isinstance(value, JavaType) else type_name(value)


_LINKS: dict[type[ast.Link], Callable[[Evaluator, Any, Any, Any], Any]] = {
    ast.Property: Evaluator._property,  # pyright: ignore[reportPrivateUsage]
    ast.Method: Evaluator._method,  # pyright: ignore[reportPrivateUsage]
    ast.Index: Evaluator._index,  # pyright: ignore[reportPrivateUsage]
    ast.Selection: Evaluator._selection,  # pyright: ignore[reportPrivateUsage]
    ast.Projection: Evaluator._projection,  # pyright: ignore[reportPrivateUsage]
}
_EVALUATORS: dict[type[ast.Node], Callable[[Evaluator, Any, Any], Any]] = {
    **dict.fromkeys(_LINKS, Evaluator._chain),  # pyright: ignore[reportPrivateUsage]
    ast.Literal: Evaluator._literal,  # pyright: ignore[reportPrivateUsage]
    ast.ListOf: Evaluator._list,  # pyright: ignore[reportPrivateUsage]
    ast.MapOf: Evaluator._map,  # pyright: ignore[reportPrivateUsage]
    ast.Variable: Evaluator._variable,  # pyright: ignore[reportPrivateUsage]
    ast.Call: Evaluator._call,  # pyright: ignore[reportPrivateUsage]
    ast.Unary: Evaluator._unary,  # pyright: ignore[reportPrivateUsage]
    ast.Binary: Evaluator._binary,  # pyright: ignore[reportPrivateUsage]
    ast.TypeOf: Evaluator._type_of,  # pyright: ignore[reportPrivateUsage]
    ast.New: Evaluator._new,  # pyright: ignore[reportPrivateUsage]
    ast.NewArray: Evaluator._new_array,  # pyright: ignore[reportPrivateUsage]
}
