"""The methods of texts. Characters are code points here, where Java counts a pair of surrogates twice."""

from typing import Any

from spel.errors import LimitError, Thrown
from spel.limits import COLLECTION_SIZE, check_length
from spel.numbers import LONG_MAX, LONG_MIN, is_number, parse_whole, to_int_of, wrapped_int
from spel.objects import JavaArray, Method, to_text
from spel.patterns import matches, replaced, split

_OUTSIDE = "java.lang.StringIndexOutOfBoundsException"
_LONGEST_HASHED = 10_000
_JAVA_SPACE = "".join(map(chr, range(33)))


class TextArray(JavaArray):
    """`String[]`"""

    java_name = "java.lang.String[]"


class ByteArray(JavaArray):
    """`byte[]`"""

    java_name = "byte[]"


class CharArray(JavaArray):
    """`char[]`"""

    java_name = "char[]"


def need_text(value: Any) -> str:
    """Give the text that an argument is; raise `Thrown` for null."""
    if value is None:
        raise Thrown("java.lang.NullPointerException", "a text is needed here, not null")
    return to_text(value)


def need_whole(value: Any) -> int:
    """Give the whole number that an argument is, converted as Spring does."""
    if isinstance(value, str):
        return parse_whole(value, low=LONG_MIN, high=LONG_MAX)
    if not is_number(value):
        raise TypeError(f"a whole number is needed here, not {to_text(value)[:100]}")
    return int(value) if isinstance(value, int) else to_int_of(value, LONG_MIN, LONG_MAX)


def _substring(text: str, start: Any, end: Any = None) -> str:
    first, last = need_whole(start), len(text) if end is None else need_whole(end)
    if not 0 <= first <= last <= len(text):
        raise Thrown(_OUTSIDE, f"begin {first}, end {last}, length {len(text)}")
    return text[first:last]


def _char_at(text: str, index: Any) -> str:
    position = need_whole(index)
    if not 0 <= position < len(text):
        raise Thrown(_OUTSIDE, f"Index {position} out of bounds for length {len(text)}")
    return text[position]


def _repeat(text: str, count: Any) -> str:
    times = need_whole(count)
    if times < 0:
        raise Thrown("java.lang.IllegalArgumentException", f"count is negative: {times}")
    check_length(times * len(text))
    return text * times


def _replace(text: str, old: Any, new: Any) -> str:
    before, after = need_text(old), need_text(new)
    check_length(len(text) + text.count(before) * (len(after) - len(before)))
    return text.replace(before, after)


def _concat(text: str, other: Any) -> str:
    return text + need_text(other)


def compare(text: str, other: Any) -> int:
    """Compare as `String.compareTo` does."""
    theirs = need_text(other)
    for a, b in zip(text, theirs, strict=False):
        if a != b:
            return ord(a) - ord(b)
    return len(text) - len(theirs)


def _found(text: str) -> str:
    return chr(text) if isinstance(text, int) and not isinstance(text, bool) else need_text(text)  # pyright: ignore[reportUnnecessaryIsInstance]


def _index_of(text: str, other: Any, start: Any = 0) -> int:
    first = max(0, need_whole(start))
    wanted = _found(other)
    return min(first, len(text)) if not wanted else text.find(wanted, first)


def _last_index_of(text: str, other: Any, start: Any = None) -> int:
    wanted = _found(other)
    if start is None:
        return text.rfind(wanted)
    first = need_whole(start)
    return -1 if first < 0 else text.rfind(wanted, 0, first + len(wanted))


def _starts_with(text: str, prefix: Any, start: Any = 0) -> bool:
    first = need_whole(start)
    return 0 <= first <= len(text) and text.startswith(need_text(prefix), first)


def java_hash(text: str) -> int:
    """Give `String.hashCode`; raise `LimitError` for a long text, since each character takes a step of Python."""
    if len(text) > _LONGEST_HASHED:
        raise LimitError(f"The hash of a text above {_LONGEST_HASHED} characters is not computed")
    value = 0
    for unit in memoryview(text.encode("utf-16-le", "surrogatepass")).cast("H"):
        value = (31 * value + unit) & 0xFFFFFFFF
    return wrapped_int(value)


def _region_matches(text: str, *arguments: Any) -> bool:
    ignore = bool(arguments[0]) if isinstance(arguments[0], bool) else False
    at, other, there, length = arguments[1:] if isinstance(arguments[0], bool) else arguments
    first, second, count = need_whole(at), need_whole(there), need_whole(length)
    theirs = need_text(other)
    if first < 0 or second < 0 or first + count > len(text) or second + count > len(theirs):
        return False
    ours, theirs = text[first : first + count], theirs[second : second + count]
    return ours.lower() == theirs.lower() if ignore else ours == theirs


def _indent(text: str, count: Any) -> str:
    spaces, lines = need_whole(count), text.splitlines()
    check_length(len(text) + len(lines) * (abs(spaces) + 1))
    if spaces >= 0:
        return "".join(f"{' ' * spaces}{line}\n" for line in lines)
    return "".join(line[min(-spaces, len(line) - len(line.lstrip())) :] + "\n" for line in lines)


def _bytes(text: str, charset: Any = "UTF-8") -> ByteArray:
    encoded = text.encode(charset_of(charset), "replace")
    if len(encoded) > COLLECTION_SIZE:
        raise LimitError(f"More than {COLLECTION_SIZE} elements came out")
    return ByteArray(byte - 256 if byte > 127 else byte for byte in encoded)


def charset_of(name: Any) -> str:
    """Find a charset; raise `Thrown` (UnsupportedEncodingException)."""
    known = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "ascii", "ascii": "ascii", "iso-8859-1": "latin-1"}
    found = known.get(need_text(name).lower())
    if found is None:
        raise Thrown("java.io.UnsupportedEncodingException", need_text(name)[:100])
    return found


def _characters(text: str) -> CharArray:
    if len(text) > COLLECTION_SIZE:
        raise LimitError(f"More than {COLLECTION_SIZE} elements came out")
    return CharArray(text)


def _formatted(text: str, *values: Any) -> str:
    from spel.formatting import formatted

    return formatted(text, *values)


STRING: dict[str, Method] = {
    "charAt": _char_at,
    "codePointAt": lambda s, i: ord(_char_at(s, i)),
    "compareTo": compare,
    "compareToIgnoreCase": lambda s, o: compare(s.lower(), need_text(o).lower()),
    "concat": _concat,
    "contains": lambda s, o: need_text(o) in s,
    "contentEquals": lambda s, o: s == need_text(o),
    "endsWith": lambda s, o: s.endswith(need_text(o)),
    "equals": lambda s, o: isinstance(o, str) and s == o,
    "equalsIgnoreCase": lambda s, o: o is not None and s.lower() == to_text(o).lower(),
    "formatted": _formatted,
    "getBytes": _bytes,
    "hashCode": lambda s: java_hash(s),
    "indent": _indent,
    "indexOf": _index_of,
    "intern": lambda s: s,
    "isBlank": lambda s: not s.strip(),
    "isEmpty": lambda s: not s,
    "lastIndexOf": _last_index_of,
    "length": lambda s: len(s),
    "matches": lambda s, o: matches(s, need_text(o)),
    "regionMatches": _region_matches,
    "repeat": _repeat,
    "replace": _replace,
    "replaceAll": lambda s, a, b: replaced(s, need_text(a), need_text(b), None),
    "replaceFirst": lambda s, a, b: replaced(s, need_text(a), need_text(b), 1),
    "split": lambda s, o, limit=0: TextArray(split(s, need_text(o), need_whole(limit))),
    "startsWith": _starts_with,
    "strip": lambda s: s.strip(),
    "stripLeading": lambda s: s.lstrip(),
    "stripTrailing": lambda s: s.rstrip(),
    "substring": _substring,
    "toCharArray": _characters,
    "toLowerCase": lambda s: s.lower(),
    "toString": lambda s: s,
    "toUpperCase": lambda s: s.upper(),
    "trim": lambda s: s.strip(_JAVA_SPACE),
}
