"""java.util.Date and java.text.SimpleDateFormat, in UTC and English."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from spel.errors import Thrown
from spel.numbers import Long, is_number
from spel.objects import JavaObject, Method, type_name
from spel.texts import need_text, need_whole
from spel.times import Instant, millis_of, moment_of, now

_LONGEST_LAYOUT = 1_000


class Date(JavaObject):
    """`java.util.Date`"""

    java_name = "java.util.Date"

    def __init__(self, at: datetime) -> None:
        self.at = at.replace(microsecond=at.microsecond // 1000 * 1000)

    def text(self) -> str:
        return f"{self.at:%a %b %d %H:%M:%S UTC} {self.at.year:04d}"

    def key(self) -> Any:
        return self.at

    def json(self) -> int:
        return millis_of(self.at)


def _other(value: Any) -> datetime:
    if not isinstance(value, Date):
        raise TypeError("another Date is needed here")
    return value.at


Date.METHODS = {
    "after": lambda d, o: d.at > _other(o),
    "before": lambda d, o: d.at < _other(o),
    "compareTo": lambda d, o: (d.at > _other(o)) - (d.at < _other(o)),
    "equals": lambda d, o: isinstance(o, Date) and d.at == o.at,
    "getDate": lambda d: d.at.day,
    "getDay": lambda d: (d.at.weekday() + 1) % 7,
    "getHours": lambda d: d.at.hour,
    "getMinutes": lambda d: d.at.minute,
    "getMonth": lambda d: d.at.month - 1,
    "getSeconds": lambda d: d.at.second,
    "getTime": lambda d: millis_of(d.at),
    "getTimezoneOffset": lambda _: 0,
    "getYear": lambda d: d.at.year - 1900,
    "hashCode": lambda d: (millis_of(d.at) ^ (millis_of(d.at) >> 32)) % 2**31,
    "toInstant": lambda d: Instant(d.at),
    "toString": lambda d: d.text(),
}


def make_date(millis: Any = None) -> Date:
    """Make the date of epoch milliseconds, or of now."""
    if millis is None:
        return Date(now())
    if not is_number(millis):
        raise TypeError("epoch milliseconds are needed here")
    try:
        return Date(moment_of(int(millis)))
    except OverflowError as error:
        raise Thrown("java.lang.IllegalArgumentException", "only the years 1 to 9999 are supported") from error


_LETTERS: dict[str, Callable[[datetime, int], str]] = {
    "G": lambda _, __: "AD",
    "y": lambda d, n: f"{d.year % 100:02d}" if n == 2 else f"{d.year:0{n}d}",
    "Y": lambda d, n: f"{_week_year(d) % 100:02d}" if n == 2 else f"{_week_year(d):0{n}d}",
    "M": lambda d, n: f"{d:%B}" if n > 3 else f"{d:%b}" if n == 3 else f"{d.month:0{n}d}",
    "L": lambda d, n: f"{d:%B}" if n > 3 else f"{d:%b}" if n == 3 else f"{d.month:0{n}d}",
    "w": lambda d, n: f"{_week(d):0{n}d}",
    "W": lambda d, n: f"{(d.day + (d.replace(day=1).weekday() + 1) % 7 - 1) // 7 + 1:0{n}d}",
    "D": lambda d, n: f"{d.timetuple().tm_yday:0{n}d}",
    "d": lambda d, n: f"{d.day:0{n}d}",
    "F": lambda d, n: f"{(d.day - 1) // 7 + 1:0{n}d}",
    "E": lambda d, n: f"{d:%A}" if n > 3 else f"{d:%a}",
    "u": lambda d, n: f"{d.isoweekday():0{n}d}",
    "a": lambda d, _: f"{d:%p}",
    "H": lambda d, n: f"{d.hour:0{n}d}",
    "k": lambda d, n: f"{d.hour or 24:0{n}d}",
    "K": lambda d, n: f"{d.hour % 12:0{n}d}",
    "h": lambda d, n: f"{(d.hour + 11) % 12 + 1:0{n}d}",
    "m": lambda d, n: f"{d.minute:0{n}d}",
    "s": lambda d, n: f"{d.second:0{n}d}",
    "S": lambda d, n: f"{d.microsecond // 1000:0{n}d}",
    "z": lambda _, n: "Coordinated Universal Time" if n > 3 else "UTC",
    "Z": lambda _, __: "+0000",
    "X": lambda _, __: "Z",
}
_PIECE = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+|'")
_DIRECTIVES = {
    "yyyy": "%Y", "y": "%Y", "yy": "%y", "MM": "%m", "M": "%m", "MMM": "%b", "MMMM": "%B", "dd": "%d", "d": "%d",
    "HH": "%H", "H": "%H", "hh": "%I", "h": "%I", "mm": "%M", "m": "%M", "ss": "%S", "s": "%S", "SSS": "%f",
    "a": "%p", "Z": "%z", "X": "%z", "XXX": "%z", "EEE": "%a", "EEEE": "%A",
}  # fmt: skip


def _week(d: datetime) -> int:
    """Number the week as in the US: weeks begin on Sunday, the first is the one with January 1st."""
    if _week_year(d) > d.year:
        return 1
    first = d.replace(month=1, day=1)
    return (d.timetuple().tm_yday - 1 + (first.weekday() + 1) % 7) // 7 + 1


def _week_year(d: datetime) -> int:
    days_left = (datetime(d.year, 12, 31) - d.replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)).days
    return d.year + 1 if d.year < 9999 and (d.weekday() + 1) % 7 + days_left < 6 else d.year


class SimpleDateFormat(JavaObject):
    """`java.text.SimpleDateFormat`"""

    java_name = "java.text.SimpleDateFormat"

    def __init__(self, layout: Any) -> None:
        self.layout = need_text(layout)
        if len(self.layout) > _LONGEST_LAYOUT:
            raise Thrown("java.lang.IllegalArgumentException", f"a date pattern above {_LONGEST_LAYOUT} characters")
        for piece in _PIECE.finditer(self.layout):
            letter = piece.group(2)
            if letter is not None and letter not in _LETTERS:
                raise Thrown("java.lang.IllegalArgumentException", f"Illegal pattern character '{letter}'")
            if piece.group() == "'":
                raise Thrown("java.lang.IllegalArgumentException", "Unterminated quote")

    def text(self) -> str:
        return self.java_name

    def format(self, when: Any) -> str:
        """Write a date, an instant's or epoch milliseconds' one too, in UTC."""
        if isinstance(when, Date):
            at = when.at
        elif is_number(when):
            at = make_date(when).at
        else:
            raise Thrown(
                "java.lang.IllegalArgumentException", f"Cannot format given Object ({type_name(when)}) as a Date"
            )
        out: list[str] = []
        for piece in _PIECE.finditer(self.layout):
            letter = piece.group(2)
            if letter is not None:
                out.append(_LETTERS[letter](at, len(piece.group())))
            elif piece.group(1) is not None:
                out.append(piece.group(1).replace("''", "'") or "'")
            else:
                out.append(piece.group())
        return "".join(out)

    def parse(self, text: Any) -> Date:
        """Read a date in UTC; what follows it is not looked at."""
        written, directives = need_text(text), list[str]()
        for piece in _PIECE.finditer(self.layout):
            if piece.group(2) is None:
                literal = piece.group(1) if piece.group(1) is not None else piece.group()
                directives.append(literal.replace("''", "'").replace("%", "%%"))
            elif piece.group() in _DIRECTIVES:
                directives.append(_DIRECTIVES[piece.group()])
            else:
                raise Thrown("java.lang.IllegalArgumentException", f"'{piece.group()}' can't be read here")
        try:
            at = datetime.strptime(written, "".join(directives))
        except (ValueError, re.error) as error:
            raise Thrown("java.text.ParseException", f'Unparseable date: "{written[:100]}"') from error
        return Date(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC))

    METHODS: ClassVar[Mapping[str, Method]] = {
        "format": lambda f, when: f.format(when),
        "parse": lambda f, text: f.parse(text),
        "toPattern": lambda f: f.layout,
        "toString": lambda f: f.text(),
    }


class Random(JavaObject):
    """`java.util.Random`: the same numbers for the same seed as Java's."""

    java_name = "java.util.Random"

    def __init__(self, seed: Any = None) -> None:
        if seed is None:
            import secrets

            seed = secrets.randbits(48)
        self._seed = (need_whole(seed) ^ 0x5DEECE66D) & (1 << 48) - 1

    def text(self) -> str:
        return self.java_name

    def bits(self, count: int) -> int:
        """Give the next `count` random bits, signed."""
        self._seed = (self._seed * 0x5DEECE66D + 0xB) & (1 << 48) - 1
        value = self._seed >> (48 - count)
        return value - (1 << 32) if count == 32 and value >= 1 << 31 else value

    def int_below(self, low: Any = None, high: Any = None) -> int:
        """Give `nextInt()`, `nextInt(bound)` or `nextInt(origin, bound)`."""
        if low is None:
            return self.bits(32)
        first, bound = (0, need_whole(low)) if high is None else (need_whole(low), need_whole(high))
        size = bound - first
        if not 0 < size <= 2**31 - 1:
            raise Thrown("java.lang.IllegalArgumentException", "bound must be positive")
        if size & (size - 1) == 0:
            return first + (size * self.bits(31) >> 31)
        while True:
            found = self.bits(31)
            value = found % size
            if found - value + size - 1 < 2**31:
                return first + value

    def double(self) -> float:
        """Give `nextDouble()`."""
        return ((self.bits(26) << 27) + self.bits(27)) * 2.0**-53

    def long(self) -> Long:
        """Give `nextLong()`."""
        return Long(((self.bits(32) << 32) + self.bits(32) + 2**63) % 2**64 - 2**63)

    METHODS: ClassVar[Mapping[str, Method]] = {
        "nextBoolean": lambda r: r.bits(1) != 0,
        "nextDouble": lambda r: r.double(),
        "nextInt": lambda r, low=None, high=None: r.int_below(low, high),
        "nextLong": lambda r: r.long(),
        "toString": lambda r: r.text(),
    }
