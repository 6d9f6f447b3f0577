"""What can go wrong with an expression, and where."""

EVALUATION = "org.springframework.expression.spel.SpelEvaluationException"
PARSING = "org.springframework.expression.spel.SpelParseException"
TEMPLATE = "org.springframework.expression.ParseException"


class SpelError(Exception):
    """An expression can't be parsed or evaluated.

    `column` (from 0) is where in `expression`; `kind` is the Java exception that Spinnaker would name.
    """

    kind = EVALUATION

    def __init__(self, message: str, expression: str = "", column: int = 0, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.expression = expression
        self.column = column
        if kind is not None:
            self.kind = kind

    def __str__(self) -> str:
        return self.message

    def pointed(self) -> str:
        """Show the message, the expression and a caret under the place at fault."""
        return f"{self.message}\n{caret(self.expression, self.column)}"


class ParseError(SpelError):
    """The text is not an expression."""

    kind = PARSING


class EvaluationError(SpelError):
    """The expression has no value here: a missing property, a method that isn't allowed, a wrong type."""


class LimitError(EvaluationError):
    """The expression wants more steps, depth or output than it may have."""


class Thrown(ValueError):
    """What Java would have thrown from within a method or a function: the exception's class and its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def caret(text: str, column: int) -> str:
    """Give the line of `text` that has `column`, and below it a caret under that column."""
    start = text.rfind("\n", 0, column) + 1
    line = text[start:].split("\n", 1)[0]
    before = "".join("\t" if character == "\t" else " " for character in line[: column - start])
    return f"  {line}\n  {before}^"
