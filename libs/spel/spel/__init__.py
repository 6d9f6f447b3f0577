"""The Spring expression language that pipelines use, as a bounded interpreter.

`evaluate` takes one expression, `render` a text with `${…}` in it, `render_tree` a whole tree of maps and
lists. Expressions reach what the host gives them (a root, variables, functions) and an allow-list of Java
types, rewritten in Python; there is no way from an expression to Python itself.
"""

from spel.errors import EvaluationError, LimitError, ParseError, SpelError
from spel.limits import DEFAULT_LIMITS, Limits
from spel.objects import JavaObject, SpelObject, to_text
from spel.template import Problem, Rendered, evaluate, has_expression, plain, render, render_tree

__all__ = [
    "DEFAULT_LIMITS",
    "EvaluationError",
    "JavaObject",
    "LimitError",
    "Limits",
    "ParseError",
    "Problem",
    "Rendered",
    "SpelError",
    "SpelObject",
    "evaluate",
    "has_expression",
    "plain",
    "render",
    "render_tree",
    "to_text",
]
