"""Numbers, texts, dates and types as Java has them: table by table."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spel import EvaluationError, ParseError, evaluate, render, to_text

ROOT: dict[str, Any] = {"n": 7, "big": 3_000_000_000, "name": "shop", "list": [1, 2, 3], "map": {"k": "v", "1": "one"}}


def value_of(text: str) -> Any:
    return evaluate(text, ROOT)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        # whole numbers wrap, Longs at 64 bits
        ("2147483647 + 1", "-2147483648"),
        ("2147483647L + 1", "2147483648"),
        ("86400 * 1000 * 365", "1471228928"),
        ("86400L * 1000 * 365", "31536000000"),
        ("big + 1", "3000000001"),
        ("big * big", "9000000000000000000"),
        ("9223372036854775807L + 1", "-9223372036854775808"),
        ("-7 / 2", "-3"),
        ("-7 % 3", "-1"),
        ("7 div 2 + 7 mod 4", "6"),
        # real ones
        ("7 / 2.0", "3.5"),
        ("7.5 % 2", "1.5"),
        ("1.0 / 0", "Infinity"),
        ("-1.0 / 0", "-Infinity"),
        ("0.0 / 0", "NaN"),
        ("0.1f + 0.2f", "0.3"),
        ("0.1 + 0.2", "0.30000000000000004"),
        ("1.1f", "1.1"),
        ("1.1f * 2", "2.2"),
        ("1.1f + 1.0", "2.1"),
        ("1e10", "1.0E10"),
        ("1.5d", "1.5"),
        ("1.0E-5", "1.0E-5"),
        ("123456789.0", "1.23456789E8"),
        # powers
        ("2 ^ 10", "1024"),
        ("2 ^ 40", "1099511627776"),
        ("2 ^ -1", "0"),
        ("2.0 ^ -1", "0.5"),
        ("-2 ^ 2", "4"),
        ("10 ^ 30", "9223372036854775807"),
        # literals
        ("0xFFL", "255"),
        ("42L", "42"),
        ("3.toString()", "3"),
        # texts and operators
        ("'a' * 3", "aaa"),
        ("'c' - 1", "b"),
        ("'x' + {1, {2, 'y'}}", "x1,2,y"),
        ("'x' + map", "x{k=v, 1=one}"),
        ("null + 'x'", "nullx"),
        ("'x' + T(java.time.DayOfWeek).MONDAY", "xMONDAY"),
        # types
        ("T(Math).max(1, 2.5)", "2.5"),
        ("T(Math).max(1, 2)", "2"),
        ("T(Math).round(2.5)", "3"),
        ("T(Math).round(-2.5)", "-2"),
        ("T(Math).floor(2.7)", "2.0"),
        ("T(Math).ceil(-0.5)", "-0.0"),
        ("T(Math).abs(-3)", "3"),
        ("T(Math).pow(2, 3)", "8.0"),
        ("T(Math).sqrt(-1)", "NaN"),
        ("T(Math).floorMod(-7, 3)", "2"),
        ("T(Math).cbrt(27)", "3.0"),
        ("T(Math).PI", "3.141592653589793"),
        ("T(Integer).parseInt('ff', 16)", "255"),
        ("T(Integer).toHexString(-1)", "ffffffff"),
        ("T(Integer).toBinaryString(5)", "101"),
        ("T(Integer).MAX_VALUE", "2147483647"),
        ("T(Long).parseLong('3000000000')", "3000000000"),
        ("T(Long).MAX_VALUE", "9223372036854775807"),
        ("T(Byte).MIN_VALUE", "-128"),
        ("T(Double).parseDouble('1.5e3')", "1500.0"),
        ("T(Double).NaN", "NaN"),
        ("T(Boolean).parseBoolean('TRUE')", "true"),
        ("T(Boolean).logicalXor(true, false)", "true"),
        ("new Integer('5') + 1", "6"),
        ("new String('x').length()", "1"),
        ("(3.7).intValue()", "3"),
        ("(300).byteValue()", "44"),
        ("n.doubleValue()", "7.0"),
        # collections
        ("new int[]{1, 2, 3}.length", "3"),
        ("new int[2]", "[0, 0]"),
        ("new String[]{1, 'b'}[0].length()", "1"),
        ("new double[]{1}[0]", "1.0"),
        ("'a,b,c'.split(',').length", "3"),
        ("{1, 2} + ''", "1,2"),
        ("list.size + ' ' + list.empty", "3 false"),
        ("name.length", "4"),
        ("name.empty", "false"),
        ("map.keySet().contains('k')", "true"),
        ("map.values().indexOf('one')", "1"),
        ("map.entrySet().![key + value]", "[kv, 1one]"),
        ("map.?[key == 'k']", "{k=v}"),
        ("map.^[value == 'one'].![key]", "[1]"),
        ("{a: 1}.equals({a: 1})", "true"),
        ("{1, 2}.contains(true)", "false"),
        ("{1, 2}.lastIndexOf(2)", "1"),
        ("{{1, 2}, {3}}.![size()]", "[2, 1]"),
        ("list['1']", "2"),
        ("list[1.9]", "2"),
        ("list?.[0]", "1"),
        ("missing?.[0] ?: 'none'", "none"),
        ("missing?.?[true] ?: 'none'", "none"),
        ("missing?.![1] ?: 'none'", "none"),
        ("list.$[#this > 1]", "3"),
        ("list.^[#this > 5] ?: 'none'", "none"),
        ("1 instanceof T(Integer) and 1L instanceof T(Long) and 1.5f instanceof T(Double)", "false"),
        ("n between {1, 7} and name between {'a', 'z'}", "true"),
        ("null < 1 and !(1 < null)", "true"),
        ("'b' > 'a'", "true"),
        ("!false ? 1 : 2", "1"),
        ("'yes' ? 1 : 2", "1"),
    ],
)  # fmt: skip
def test_a_value_reads_as_in_java(text: str, written: str):
    assert to_text(value_of(text)) == written


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'abc'.charAt(1)", "b"),
        ("'abc'.compareTo('abd')", -1),
        ("'abc'.compareToIgnoreCase('ABC')", 0),
        ("'a-b'.concat('c')", "a-bc"),
        ("'abcabc'.indexOf('c', 3)", 5),
        ("'abcabc'.lastIndexOf('c', 4)", 2),
        ("'abc'.indexOf('')", 0),
        ("'hello'.hashCode()", 99162322),
        ("'polygenelubricants'.hashCode()", -2147483648),
        ("' x '.trim() + ' y '.strip()", "xy"),
        ("' x '.stripLeading()", "x "),
        ("'a.b.c'.replace('.', '-')", "a-b-c"),
        ("'a1b22'.replaceAll('[0-9]+', '#')", "a#b#"),
        ("'a1b22'.replaceFirst('[0-9]', '<$0>')", "a<1>b22"),
        ("'john smith'.replaceAll('(?P<a>\\w+) (\\w+)', '${a}-$2')", "john-smith"),
        ("'x'.replaceAll('x', '\\$')", "$"),
        ("'boo:and:foo'.split(':', 2)", ["boo", "and:foo"]),
        ("'boo:and:foo'.split('o')", ["b", "", ":and:f"]),
        ("'boo:and:foo'.split('o', -1)", ["b", "", ":and:f", "", ""]),
        ("'abc'.split('')", ["a", "b", "c"]),
        ("''.split(',')", [""]),
        ("'a b'.split('\\s+')", ["a", "b"]),
        ("'AbC'.equalsIgnoreCase('aBc')", True),
        ("'abc'.startsWith('b', 1)", True),
        ("'abc'.regionMatches(true, 1, 'xBC', 1, 2)", True),
        ("'x'.repeat(3)", "xxx"),
        ("'a\nb'.indent(2)", "  a\n  b\n"),
        ("'  '.isBlank()", True),
        ("'%s-%d'.formatted('a', 5)", "a-5"),
        ("'\u00e9'.getBytes()", [-61, -87]),
        ("new String('hi'.getBytes())", "hi"),
        ("T(String).join('-', 'a', 'b')", "a-b"),
        ("T(String).join('-', list)", "1-2-3"),
        ("T(String).valueOf(1.0)", "1.0"),
        ("T(String).format('%05d|%-5s|%5s|%x|%,d|%+d', 42, 'a', 'b', 255, 1234567, 5)",
         "00042|a    |    b|ff|1,234,567|+5"),
        ("T(String).format('%.2f|%e|%10.3f|%g', 2.345, 12345.678, 3.14159, 0.0001)",
         "2.35|1.234568e+04|     3.142|0.000100000"),
        ("T(String).format('%2$s %1$s %<s %%%n', 'a', 'b')", "b a a %\n"),
        ("T(String).format('%b %c %S %(d', true, 'x', 'up', -5)", "true x UP (5)"),
        ("T(String).format('%tY-%<tm-%<td', new java.util.Date(0))", "1970-01-01"),
        ("T(java.net.URLEncoder).encode('a b/c~d*', 'UTF-8')", "a+b%2Fc%7Ed*"),
        ("T(java.util.UUID).fromString('1-2-3-4-5').toString()", "00000001-0002-0003-0004-000000000005"),
        ("T(java.util.UUID).nameUUIDFromBytes('a'.getBytes()).toString()", "0cc175b9-c0f1-36a8-b1c3-99e269772661"),
        ("T(java.util.UUID).randomUUID().toString().length()", 36),
        ("new java.util.Random(42).nextInt(10)", 0),
        ("new java.util.Random(42).nextInt()", -1170105035),
        ("new java.util.Random(42).nextLong()", -5025562857975149833),
        ("new java.util.Random(42).nextDouble()", 0.7275636800328681),
        ("new java.util.Random().nextInt(1)", 0),
    ],
)  # fmt: skip
def test_texts_and_helpers_are_javas(text: str, value: Any):
    assert value_of(text) == value


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("T(java.time.LocalDate).parse('2026-01-31').plusMonths(1)", "2026-02-28"),
        ("T(java.time.LocalDate).of(2024, 2, 29).plusYears(1)", "2025-02-28"),
        ("T(java.time.LocalDate).parse('2026-03-01').minusDays(1).getDayOfWeek()", "SATURDAY"),
        ("T(java.time.LocalDate).parse('2026-11-25').dayOfWeek.value", "3"),
        ("T(java.time.LocalDate).ofEpochDay(0)", "1970-01-01"),
        ("T(java.time.LocalDate).parse('2026-11-25').withDayOfMonth(1).atStartOfDay()", "2026-11-01T00:00"),
        ("T(java.time.LocalDate).parse('2026-11-25').plus(2, T(java.time.temporal.ChronoUnit).WEEKS)", "2026-12-09"),
        ("T(java.time.LocalDate).parse('2026-11-25').with(T(java.time.temporal.TemporalAdjusters)"
         ".previous(T(java.time.DayOfWeek).MONDAY))", "2026-11-23"),
        ("T(java.time.LocalDate).parse('2026-11-23').with(T(java.time.temporal.TemporalAdjusters)"
         ".nextOrSame(T(java.time.DayOfWeek).MONDAY))", "2026-11-23"),
        ("T(java.time.LocalDate).parse('2026-11-25').with(T(java.time.temporal.TemporalAdjusters)"
         ".lastInMonth(T(java.time.DayOfWeek).FRIDAY))", "2026-11-27"),
        ("T(java.time.LocalDate).parse('2026-11-25').with(T(java.time.temporal.TemporalAdjusters)"
         ".firstDayOfNextMonth())", "2026-12-01"),
        ("T(java.time.LocalDate).parse('2026-11-25').isLeapYear()", "false"),
        ("T(java.time.LocalDate).parse('2026-11-25') > T(java.time.LocalDate).parse('2026-11-24')", "true"),
        ("T(java.time.LocalDate).parse('2026-11-25') == T(java.time.LocalDate).of(2026, 11, 25)", "true"),
        ("T(java.time.LocalDateTime).parse('2026-01-31T12:30').plusHours(12)", "2026-02-01T00:30"),
        ("T(java.time.LocalDateTime).of(2026, 1, 31, 12, 30, 5).minusSeconds(6)", "2026-01-31T12:29:59"),
        ("T(java.time.LocalDateTime).parse('2026-01-31T12:30:59.5').truncatedTo("
         "T(java.time.temporal.ChronoUnit).HOURS)", "2026-01-31T12:00"),
        ("T(java.time.LocalDateTime).parse('2026-01-31T12:30:59.5')", "2026-01-31T12:30:59.500"),
        ("T(java.time.Instant).parse('2026-01-01T00:00:00Z').toEpochMilli()", "1767225600000"),
        ("T(java.time.Instant).ofEpochMilli(1500).plusMillis(1)", "1970-01-01T00:00:01.501Z"),
        ("T(java.time.Instant).EPOCH.getEpochSecond()", "0"),
        ("T(java.time.temporal.ChronoUnit).DAYS.between(T(java.time.LocalDate).parse('2026-01-01'),"
         " T(java.time.LocalDate).parse('2026-03-01'))", "59"),
        ("T(java.time.temporal.ChronoUnit).MONTHS.between(T(java.time.LocalDate).parse('2026-01-31'),"
         " T(java.time.LocalDate).parse('2026-02-28'))", "0"),
        ("T(java.time.temporal.ChronoUnit).HOURS.between(T(java.time.LocalDateTime).parse('2026-01-01T00:00'),"
         " T(java.time.LocalDateTime).parse('2026-01-01T10:59'))", "10"),
        ("T(java.time.temporal.ChronoUnit).DAYS", "Days"),
        ("T(java.time.DayOfWeek).of(7).plus(1)", "MONDAY"),
        ("T(java.time.DayOfWeek).valueOf('FRIDAY').ordinal()", "4"),
        ("new java.text.SimpleDateFormat('yyyy-MM-dd HH:mm:ss.SSS').format(new java.util.Date(1500))",
         "1970-01-01 00:00:01.500"),
        ("new java.text.SimpleDateFormat(\"EEE, d MMM yyyy 'at' h a Z\").format(new java.util.Date(0))",
         "Thu, 1 Jan 1970 at 12 AM +0000"),
        ("new java.text.SimpleDateFormat('w/YYYY D').format(new java.util.Date(1767225600000L))", "1/2026 1"),
        ("new java.text.SimpleDateFormat('dd.MM.yyyy').parse('31.01.2026').time", "1769817600000"),
        ("new java.util.Date(0)", "Thu Jan 01 00:00:00 UTC 1970"),
        ("new java.util.Date(5).after(new java.util.Date(4))", "true"),
        ("new java.util.Date(0).toInstant()", "1970-01-01T00:00:00Z"),
    ],
)  # fmt: skip
def test_dates_are_javas(text: str, written: str):
    assert to_text(value_of(text)) == written


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("${new java.util.Date(1500)}", 1500),
        ("${T(java.time.Instant).ofEpochMilli(1500)}", 1500),
        ("${T(java.time.LocalDate).of(2026, 1, 2)}", "2026-01-02"),
        ("${T(java.util.UUID).fromString('1-2-3-4-5')}", "00000001-0002-0003-0004-000000000005"),
        ("${T(java.time.DayOfWeek).MONDAY}", "MONDAY"),
        ("${new int[]{1, 2}}", [1, 2]),
        ("${42L}", 42),
        ("${1.1f}", 1.1),
        ("n ${1.1f} ${42L} ${true} ${ {1, null} }", "n 1.1 42 true 1,null"),
        ("on ${T(java.time.LocalDate).of(2026, 1, 2)}", "on 2026-01-02"),
    ],
)
def test_values_become_json(template: str, value: Any):
    rendered = render(template, ROOT)
    assert rendered.value == value
    assert type(rendered.value) in (int, float, str, list)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2147483648", "EL1035E: The value '2147483648' cannot be parsed as an int"),
        ("9223372036854775808L", "EL1036E: The value '9223372036854775808' cannot be parsed as a long"),
        ("1.5L", "EL1048E: Real number cannot be suffixed with a long"),
        ("'open", "EL1046E: Cannot find terminating ' for string"),
        ('"open', 'EL1045E: Cannot find terminating " for string'),
        ("1 +", "EL1042E: Problem parsing right operand"),
        ("1 2", "EL1041E: After parsing a valid expression, there is still more data in the expression: '2'"),
        ("a.", "EL1044E: Unexpectedly ran out of input"),
        ("a.1", "EL1049E: Unexpected data after '.': '1'"),
        ("a.(", "EL1049E: Unexpected data after '.': '('"),
        ("(1", "EL1044E"),
        ("(1]", "EL1043E: Unexpected token. Expected ')' but was ']'"),
        ("a.?[]", "EL1071E: A required selection expression has not been specified"),
        ("new String", "EL1050E: The arguments '(...)' for the constructor call are missing"),
        ("a = 1", "Assignment is not supported"),
        ("a++", "Increment is not supported"),
        ("--a", "Decrement is not supported"),
        ("@bean", "EL1057E: No bean resolver registered"),
        ("a \\ b", "EL1065E: Unexpected escape character"),
        ("new int[]{a: 1}", "not with a map"),
    ],
)  # fmt: skip
def test_what_cannot_be_parsed_is_told_as_spring_does(text: str, said: str):
    with pytest.raises(ParseError) as caught:
        value_of(text)
    assert said in caught.value.message
    assert caught.value.message.startswith(f"Expression [{text}] @{caught.value.column}: ")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("missing.x", "", "EL1007E: Property or field 'x' cannot be found on null"),
        ("name.x", "", "EL1008E: Property or field 'x' cannot be found on object of type 'java.lang.String' - maybe"),
        ("name.foo(1, 'a')", "", "EL1004E: Method call: Method foo(java.lang.Integer,java.lang.String) cannot be foun"),
        ("missing.foo(1)", "", "EL1011E: Method call: Attempted to call method foo(java.lang.Integer) on null context"),
        ("missing[0]", "", "EL1012E: Cannot index into a null value"),
        ("list[3]", "", "EL1025E: The collection has '3' elements, index '3' is invalid"),
        ("name[4]", "", "EL1026E: The string has '4' characters, index '4' is invalid"),
        ("new int[1][1]", "", "EL1063E"),
        ("new int[]{1}[1]", "", "EL1024E: The array has '1' elements, index '1' is invalid"),
        ("list['a']", "", "EL1001E: Type conversion problem, cannot convert from java.lang.String to java.lang.Intege"),
        ("n[0]", "", "EL1027E: Indexing into type 'java.lang.Integer' is not supported"),
        ("n.?[true]", "", "EL1015E: Cannot perform selection on input data of type 'java.lang.Integer'"),
        ("missing.?[true]", "", "EL1015E: Cannot perform selection on input data of type 'null'"),
        ("list.?[1]", "", "EL1016E: Result of selection criteria is not boolean"),
        ("n.![1]", "", "EL1019E: Projection is not supported on the type 'java.lang.Integer'"),
        ("n between 3", "", "EL1017E: Right operand for the 'between' operator has to be a two-element list"),
        ("name matches '('", "", "EL1018E: Pattern is not valid '('"),
        ("name matches 1", "", "EL1038E: Second operand to matches operator must be a string. '1' is not"),
        ("missing matches 'a'", "", "EL1037E: First operand to matches operator must be a string. 'null' is not"),
        ("n instanceof 'x'", "", "EL1028E: The operator 'instanceof' needs the right operand to be a class"),
        ("{1} + {2}", "", "EL1030E: The operator 'ADD' is not supported between objects of type 'java.util.ArrayList'"),
        ("-'a'", "", "EL1030E: The operator 'SUBTRACT' is not supported between objects of type 'java.lang.String' an"),
        ("'a' * -1", "", "EL1081E: Repeat count '-1' must not be negative"),
        ("'a' < 1", "", "EL1013E: Cannot compare instances of class java.lang.String and class java.lang.Integer"),
        ("missing and true", "", "EL1001E: Type conversion problem, cannot convert from null to boolean"),
        ("1 ? 2 : 3", "", "EL1001E: Type conversion problem, cannot convert from java.lang.Integer to java.lang.Boole"),
        ("T(java.lang.System)", "", "EL1005E: Type cannot be found 'java.lang.System'"),
        ("T(Float)", "", "EL1005E: Type cannot be found 'Float'"),
        ("new java.io.File('x')", "", "EL1005E: Type cannot be found 'java.io.File'"),
        ("new java.util.UUID(1, 2)", "", "EL1002E: Constructor call: No suitable constructor found on type java.util."),
        ("new java.text.SimpleDateFormat('b')", "java.lang.IllegalArgumentException", "Illegal pattern character 'b'"),
        ("map.get('k')", "", "EL1004E: Method call: Method get(java.lang.String) cannot be found"),
        ("1 / 0", "java.lang.ArithmeticException", "/ by zero"),
        ("name.substring(9)", "java.lang.StringIndexOutOfBoundsException", "begin 9, end 4, length 4"),
        ("name.charAt(9)", "java.lang.StringIndexOutOfBoundsException", "Index 9 out of bounds for length 4"),
        ("list.subList(2, 1)", "java.lang.IllegalArgumentException", "fromIndex(2) > toIndex(1)"),
        ("T(Integer).parseInt('1_0')", "java.lang.NumberFormatException", 'For input string: "1_0"'),
        ("T(Integer).parseInt('2147483648')", "java.lang.NumberFormatException", "For input string"),
        ("T(Math).addExact(2147483647, 1)", "java.lang.ArithmeticException", "integer overflow"),
        ("T(String).format('%d', 'a')", "java.util.IllegalFormatConversionException", "d != java.lang.String"),
        ("T(String).format('%s')", "java.util.MissingFormatArgumentException", "Format specifier '%s'"),
        ("T(String).format('%y', 1)", "java.util.UnknownFormatConversionException", "Conversion = 'y'"),
        ("name.replaceAll('o', '$1')", "java.lang.IndexOutOfBoundsException", "No group 1"),
        ("name.replaceAll('(?=o)', 'x')", "java.util.regex.PatternSyntaxException", "is not a regular expression"),
        ("T(java.time.LocalDate).parse('yesterday')", "java.time.format.DateTimeParseException", "could not be parsed"),
        ("T(java.time.LocalDate).of(2026, 13, 1)", "java.time.DateTimeException", "Invalid date"),
        ("T(java.time.DayOfWeek).valueOf('X')", "java.lang.IllegalArgumentException", "No enum constant"),
        ("T(java.util.UUID).fromString('x')", "java.lang.IllegalArgumentException", "Invalid UUID string: x"),
        ("T(java.net.URLEncoder).encode('a', 'x')", "java.io.UnsupportedEncodingException", "x"),
        ("new java.util.Random().nextInt(0)", "java.lang.IllegalArgumentException", "bound must be positive"),
    ],
)  # fmt: skip
def test_what_fails_is_told_as_spring_and_java_do(text: str, kind: str, said: str):
    with pytest.raises(EvaluationError) as caught:
        value_of(text)
    assert said in caught.value.message
    assert caught.value.kind == (kind or "org.springframework.expression.spel.SpelEvaluationException")


def test_a_caret_stands_under_the_place_in_its_line():
    with pytest.raises(EvaluationError) as caught:
        evaluate("1 +\n\tmissing.x", ROOT)
    assert caught.value.pointed().splitlines()[1:] == ["  \tmissing.x", "  \t        ^"]


ints = st.integers(-(2**31), 2**31 - 1)
longs = st.integers(-(2**63), 2**63 - 1)


@given(a=ints, b=ints, operator=st.sampled_from("+-*"))
def test_int_arithmetic_is_that_of_32_bits(a: int, b: int, operator: str):
    exact = {"+": a + b, "-": a - b, "*": a * b}[operator]
    assert evaluate(f"a {operator} b", {"a": a, "b": b}) == (exact + 2**31) % 2**32 - 2**31


@given(a=longs, b=longs, operator=st.sampled_from("+-*"))
def test_long_arithmetic_is_that_of_64_bits(a: int, b: int, operator: str):
    exact = {"+": a + b, "-": a - b, "*": a * b}[operator]
    expected = (exact + 2**63) % 2**64 - 2**63
    assert evaluate(f"(a + 0L) {operator} b", {"a": a, "b": b}) == expected


@given(a=longs, b=longs.filter(bool))
def test_division_and_remainder_fit_together(a: int, b: int):
    root = {"a": a, "b": b}
    assert evaluate("(a / b) * b + a % b == a", root)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_reads_back(value: float):
    assert float(to_text(value)) == value


@given(text=st.text(max_size=30), separator=st.text(alphabet="abc,", min_size=1, max_size=2))
def test_splitting_and_joining_give_the_text_again(text: str, separator: str):
    root = {"text": text, "separator": separator}
    assert evaluate("T(String).join(separator, text.split(separator, -1))", root) == text
