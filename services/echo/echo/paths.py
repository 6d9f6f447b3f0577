"""Texts in the path of a request."""

from typing import Annotated

from pydantic import AfterValidator

_LONGEST = 1000


def _storable(text: str) -> str:
    if len(text) > _LONGEST:
        raise ValueError(f"it is longer than {_LONGEST} characters")
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("it has a character that can't be stored (NUL or half of a surrogate pair)")
    return text


PathText = Annotated[str, AfterValidator(_storable)]
