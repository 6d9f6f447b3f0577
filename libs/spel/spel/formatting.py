"""`String.format`: Java's format specifiers, within bounds.

Source: the documentation of `java.util.Formatter`. Locales are not there; texts are as in the root locale.
"""

import math
import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from spel.errors import LimitError, Thrown
from spel.limits import check_length
from spel.numbers import is_number
from spel.objects import JavaObject, to_text, type_name

_SPECIFIER = re.compile(r"%(\d+\$|<)?([-#+ 0,(]*)(\d+)?(\.\d+)?([tT])?([a-zA-Z%])", re.ASCII)
_WIDEST = 10_000


def formatted(layout: str, *values: Any) -> str:
    """Write `values` into `layout`. Raises `Thrown` as `java.util.Formatter` does, and `LimitError`."""
    arguments: list[Any] = list(values[0]) if len(values) == 1 and isinstance(values[0], list | tuple) else list(values)
    pieces: list[str] = []
    length = at = taken = 0
    last = -1
    while (percent := layout.find("%", at)) >= 0:
        found = _SPECIFIER.match(layout, percent)
        if found is None:
            raise Thrown(
                "java.util.UnknownFormatConversionException", f"Conversion = '{layout[percent : percent + 1]}'"
            )
        which, flags, width, precision, date, conversion = found.groups()
        piece = {"%": "%", "n": "\n"}.get(conversion)
        if piece is None:
            if which == "<":
                index = last
            elif which:
                index = int(which[:-1][:6]) - 1
            else:
                index, taken = taken, taken + 1
            if not 0 <= index < len(arguments):
                raise Thrown("java.util.MissingFormatArgumentException", f"Format specifier '{found.group()}'")
            last = index
            piece = _one(arguments[index], conversion, flags, precision, date)
        piece = _padded(piece, flags, width, conversion)
        pieces += [layout[at:percent], piece]
        length += percent - at + len(piece)
        check_length(length)
        at = found.end()
    return "".join(pieces) + layout[at:]


def _bounded(digits: str | None) -> int | None:
    if digits is None:
        return None
    number = int(digits[:7])
    if number > _WIDEST:
        raise LimitError(f"A width above {_WIDEST} is not allowed")
    return number


def _padded(piece: str, flags: str, width: str | None, conversion: str) -> str:
    wide = _bounded(width)
    if wide is None:
        return piece
    if "-" in flags:
        return piece.ljust(wide)
    if "0" in flags and conversion in "doxXeEfgG":
        sign = piece[:1] if piece[:1] in "+- (" else ""
        return sign + piece[len(sign) :].rjust(wide - len(sign), "0")
    return piece.rjust(wide)


def _one(value: Any, conversion: str, flags: str, precision: str | None, date: str | None) -> str:
    places = _bounded(precision[1:] if precision else None)
    if date:
        text = _date(value, conversion)
        return text.upper() if date == "T" else text
    match conversion.lower():
        case "s":
            text = to_text(value)
        case "b":
            text = "false" if value is None else to_text(value) if isinstance(value, bool) else "true"
        case "c" | "d" | "o" | "x" | "e" | "f" | "g" if value is None:
            text = "null"
        case "h":
            from spel.texts import java_hash

            text = "null" if value is None else f"{java_hash(to_text(value)) & 0xFFFFFFFF:x}"
        case "c":
            text = chr(value) if is_number(value) and 0 <= value < 0x110000 else to_text(value)
            if len(text) != 1:
                raise _mismatch(conversion, value)
        case "d" | "o" | "x":
            return _whole(value, conversion, flags)
        case "e" | "f" | "g":
            return _real(value, conversion, flags, 6 if places is None else places)
        case _:
            raise Thrown("java.util.UnknownFormatConversionException", f"Conversion = '{conversion}'")
    if places is not None:
        text = text[:places]
    return text.upper() if conversion.isupper() else text


def _mismatch(conversion: str, value: Any) -> Thrown:
    return Thrown("java.util.IllegalFormatConversionException", f"{conversion} != {type_name(value)}")


def _whole(value: Any, conversion: str, flags: str) -> str:
    if not is_number(value) or isinstance(value, float):
        raise _mismatch(conversion, value)
    if conversion == "d":
        return _signed(f"{abs(value):,}" if "," in flags else str(abs(value)), value < 0, flags)
    bits = 64 if not -(2**31) <= value < 2**31 else 32
    digits = format(value % 2**bits, conversion)
    return ({"o": "0", "x": "0x", "X": "0X"}[conversion] if "#" in flags else "") + digits


def _signed(digits: str, negative: bool, flags: str) -> str:
    if negative:
        return f"({digits})" if "(" in flags else f"-{digits}"
    return ("+" if "+" in flags else " " if " " in flags else "") + digits


def _real(value: Any, conversion: str, flags: str, places: int) -> str:
    if not isinstance(value, float):
        raise _mismatch(conversion, value)
    if math.isnan(value):
        return "NaN"
    negative = math.copysign(1, value) < 0
    if math.isinf(value):
        return _signed("Infinity", negative, flags)
    digits = _digits(abs(value), conversion.lower(), "," in flags, min(places, 350))
    return _signed(digits.upper() if conversion.isupper() else digits, negative, flags)


def _digits(value: float, conversion: str, grouped: bool, places: int) -> str:
    """Write digits rounded half up from the number's decimal form, as Java does."""
    if conversion == "g":
        places = max(places, 1)
        if value == 0 or 1e-4 <= value < 10.0**places:
            whole = 0 if value == 0 else math.floor(math.log10(value)) + 1
            return _digits(value, "f", grouped, max(0, places - max(whole, 0 if value >= 1 else whole)))
        return _digits(value, "e", grouped, places - 1)
    exact = Decimal(repr(float(value)))
    if conversion == "e":
        power = exact.adjusted() if exact else 0
        mantissa = (exact.scaleb(-power)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
        if mantissa >= 10:
            mantissa, power = mantissa / 10, power + 1
            mantissa = mantissa.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
        return f"{mantissa:f}e{'-' if power < 0 else '+'}{abs(power):02d}"
    import decimal

    with decimal.localcontext() as context:
        context.prec = 800
        rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{rounded:,f}" if grouped else f"{rounded:f}"


def _date(value: Any, letter: str) -> str:
    if isinstance(value, JavaObject) and isinstance(getattr(value, "at", None), datetime):
        moment: datetime = value.at  # pyright: ignore[reportAttributeAccessIssue]
    elif is_number(value) and isinstance(value, int):
        moment = datetime.fromtimestamp(value / 1000, UTC)
    else:
        raise _mismatch(f"t{letter}", value)
    layout = _DATES.get(letter)
    if layout is None:
        raise Thrown("java.util.UnknownFormatConversionException", f"Conversion = 't{letter}'")
    if letter in "LQs":
        millis = moment.microsecond // 1000
        seconds = int(moment.timestamp()) if moment.tzinfo else int(moment.replace(tzinfo=UTC).timestamp())
        return {"L": f"{millis:03d}", "s": str(seconds), "Q": str(seconds * 1000 + millis)}[letter]
    if letter in "ekly":
        return {
            "e": str(moment.day),
            "k": str(moment.hour),
            "l": str((moment.hour + 11) % 12 + 1),
            "y": f"{moment.year % 100:02d}",
        }[letter]
    return moment.strftime(layout).replace("%4Y", f"{moment.year:04d}")


_DATES = {
    "Y": "%%4Y", "y": "", "m": "%m", "d": "%d", "e": "", "H": "%H", "k": "", "I": "%I", "l": "", "M": "%M", "S": "%S",
    "L": "", "p": "%p", "B": "%B", "b": "%b", "h": "%b", "A": "%A", "a": "%a", "j": "%j", "R": "%H:%M",
    "T": "%H:%M:%S", "D": "%m/%d/%y", "F": "%%4Y-%m-%d", "r": "%I:%M:%S %p", "c": "%a %b %d %H:%M:%S UTC %%4Y",
    "Z": "UTC", "z": "+0000", "s": "", "Q": "",
}  # fmt: skip
