"""The Spring expression language that pipelines use, as a bounded interpreter.

`evaluate` takes one expression, `render` a text with `${…}` in it, `render_tree` a whole tree of maps and
lists. Expressions reach what the host gives them (a root, variables, functions) and an allow-list of Java
types, rewritten in Python; there is no way from an expression to Python itself.
"""

from spel.errors import EvaluationError, LimitError, ParseError, SpelError, Thrown, caret
from spel.limits import DEFAULT_LIMITS, Limits
from spel.numbers import Float, Long, parse_real, parse_whole, to_float
from spel.objects import JavaEnum, JavaObject, SpelObject, plain, to_text
from spel.template import Problem, Rendered, Scope, called_functions, evaluate, has_expression, render
from spel.trees import TreeRenderer, render_tree

__all__ = [
    "DEFAULT_LIMITS",
    "EvaluationError",
    "Float",
    "JavaEnum",
    "JavaObject",
    "LimitError",
    "Limits",
    "Long",
    "ParseError",
    "Problem",
    "Rendered",
    "Scope",
    "SpelError",
    "SpelObject",
    "Thrown",
    "TreeRenderer",
    "called_functions",
    "caret",
    "evaluate",
    "has_expression",
    "parse_real",
    "parse_whole",
    "plain",
    "render",
    "render_tree",
    "to_float",
    "to_text",
]
