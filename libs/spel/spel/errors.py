"""What can go wrong with an expression, and where."""


class SpelError(Exception):
    """An expression can't be parsed or evaluated; `column` (from 0) is where in `expression`."""

    kind = "org.springframework.expression.spel.SpelEvaluationException"

    def __init__(self, message: str, expression: str = "", column: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.expression = expression
        self.column = column

    def __str__(self) -> str:
        return self.message

    def pointed(self) -> str:
        """Show the message, the expression and a caret under the place at fault."""
        line_start = self.expression.rfind("\n", 0, self.column) + 1
        line = self.expression[line_start:].split("\n", 1)[0]
        return f"{self.message}\n  {line}\n  {' ' * (self.column - line_start)}^"


class ParseError(SpelError):
    """The text is not an expression."""

    kind = "org.springframework.expression.spel.SpelParseException"


class EvaluationError(SpelError):
    """The expression has no value here: a missing property, a method that isn't allowed, a wrong type."""


class LimitError(EvaluationError):
    """The expression wants more steps, depth or output than it may have."""
