"""The values of a template's variables: given, else the default; the missing and mistyped are told together.

Source: Orca's `V2DefaultVariableAssignmentTransform`. Theirs stops at the first kind of fault.
"""

from collections.abc import Callable, Sequence
from typing import Any

from kork.documents import Document

from orca.templates.faults import Fault, InvalidTemplate
from orca.templates.model import Variable

TYPES = ("int", "bool", "list", "object", "string", "float")
_MALFORMED = "malformed template configuration"
_JAVA_INT_BITS = 31


def resolve_variables(variables: Sequence[Variable], given: Document, label: str) -> Document:
    """Give the value of each declared variable, null for a nullable one without; others that are given are dropped.

    `label` says whose variables they are. Raises `InvalidTemplate` naming every missing, null and mistyped one.
    """
    values = {each.name: given[each.name] for each in variables if each.name in given}
    values |= {each.name: each.default for each in variables if each.name not in values and each.default is not None}
    faults = [fault for find in (_missing, _nulls, _mistyped) if (fault := find(variables, values, label))]
    if faults:
        raise InvalidTemplate(faults)
    return {each.name: None for each in variables} | values


def _missing(variables: Sequence[Variable], values: Document, label: str) -> Fault | None:
    names = [each.name for each in variables if each.name not in values and not each.nullable]
    if not names:
        return None
    return Fault(
        _MALFORMED,
        f"{label} Missing variable values for: {', '.join(names)}",
        location="configuration:variables",
        suggestion="give them under 'variables', or give the template's variables a 'defaultValue'",
        details=dict.fromkeys(names, "missing"),
    )


def _nulls(variables: Sequence[Variable], values: Document, label: str) -> Fault | None:
    names = [each.name for each in variables if not each.nullable and each.name in values and values[each.name] is None]
    if not names:
        return None
    told = ", ".join(f"variable '{name}' supplied value is null but variable is not nullable" for name in names)
    return Fault(
        _MALFORMED,
        f"{label} Incorrectly defined variable(s): {told}",
        location="configuration:variables",
        suggestion="give a value, or declare the variable 'nullable: true' in the template",
        details=dict.fromkeys(names, "null"),
    )


def _mistyped(variables: Sequence[Variable], values: Document, label: str) -> Fault | None:
    wrong = {
        each.name: f"expected type '{each.type}' found type '{java_type(values[each.name])}'"
        for each in variables
        if values.get(each.name) is not None and not _is_of(each.type, values[each.name])
    }
    if not wrong:
        return None
    told = ", ".join(f"{name} ({what})" for name, what in wrong.items())
    return Fault(
        _MALFORMED,
        f"{label} Incorrectly defined variable(s): {told}",
        location="configuration:variables",
        suggestion=f"types are {', '.join(TYPES)}",
        details=wrong,
    )


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: True,
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "int": lambda value: _is_number(value) and (isinstance(value, int) or value.is_integer()),
    "float": lambda value: _is_number(value),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_of(type_name: str, value: Any) -> bool:
    """Check a value. Any name of the value's own Java class will do, too."""
    check = _CHECKS.get(type_name.lower())
    return (check is not None and check(value)) or type_name.lower() == java_type(value).lower()


def java_type(value: Any) -> str:
    """Name the class by which Orca's messages call a value's type."""
    match value:
        case None:
            return "null"
        case bool():
            return "Boolean"
        case int():
            return "Integer" if abs(value) < 2**_JAVA_INT_BITS else "Long"
        case float():
            return "Double"
        case str():
            return "String"
        case list():
            return "ArrayList"
        case _:
            return "LinkedHashMap"
