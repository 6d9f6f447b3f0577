"""Expressions, rule by rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spel import (
    EvaluationError,
    LimitError,
    Limits,
    ParseError,
    SpelError,
    evaluate,
    has_expression,
    render,
    render_tree,
)

ROOT: dict[str, Any] = {
    "name": "shop",
    "empty": "",
    "nothing": None,
    "count": 21,
    "ratio": 2.5,
    "flag": True,
    "list": ["a", "b", "c"],
    "map": {"k": "v", "with-dash": 1},
    "stages": [
        {"name": "bake", "status": "SUCCEEDED", "ms": 10},
        {"name": "deploy", "status": "TERMINAL", "ms": 30},
        {"name": "verify", "status": "SUCCEEDED", "ms": 20},
    ],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("'it''s'", "it's"),
        ('"a ""b"""', 'a "b"'),
        ("0x1F", 31),
        ("42L", 42),
        ("1.5e3", 1500.0),
        ("true", True),
        ("null", None),
        ("{1, {2, 3}}", [1, [2, 3]]),
        ("{}", []),
        ("{:}", {}),
        ("{a: 1, 'b': name}", {"a": 1, "b": "shop"}),
        ("name", "shop"),
        ("missing", None),
        ("map.k", "v"),
        ("map['with-dash']", 1),
        ('map["k"]', "v"),
        ("list[1]", "b"),
        ("name[0]", "s"),
        ("missing?.deeper", None),
        ("missing?.deeper?.still", None),
        ("count * 2", 42),
        ("7 / 2", 3),
        ("-7 / 2", -3),
        ("-7 % 3", -1),
        ("7 / 2.0", 3.5),
        ("2 ^ 10", 1024),
        ("1 + 2 * 3 - 4", 3),
        ("(1 + 2) * 3", 9),
        ("10 - 2 - 3", 5),
        ("'n=' + count", "n=21"),
        ("1 + '1'", "11"),
        ("'x' + true + null + 1.0", "xtruenull1.0"),
        ("count > 20 and not false", True),
        ("count gt 20 && name eq 'shop'", True),
        ("flag or missing.deeper", True),
        ("name == 'shop' ? 'yes' : 'no'", "yes"),
        ("missing ?: 'default'", "default"),
        ("empty ?: 'default'", "default"),
        ("list ?: 'default'", ["a", "b", "c"]),
        ("name matches 's.*p'", True),
        ("name matches 'ho'", False),
        ("count between {20, 22}", True),
        ("'a' instanceof T(String)", True),
        ("stages.?[status == 'SUCCEEDED'].![name]", ["bake", "verify"]),
        ("stages.^[ms > 5].name", "bake"),
        ("stages.$[ms > 5]['name']", "verify"),
        ("stages.?[ms > 100]", []),
        ("stages.![ms]", [10, 30, 20]),
        ("missing?.![name]", None),
        ("map.?[value == 'v']", {"k": "v"}),
        ("map.![key]", ["k", "with-dash"]),
        ("list.?[#this != 'b']", ["a", "c"]),
        ("#root.name", "shop"),
        ("name.toUpperCase().substring(1, 3)", "HO"),
        ("'a,b,,'.split(',')", ["a", "b"]),
        ("'v1.2.3'.replaceAll('v(\\d+)\\..*', 'major $1')", "major 1"),
        ("list.contains('a') && list.size() == 3", True),
        ("list.subList(1, 3)", ["b", "c"]),
        ("map.containsKey('k')", True),
        ("T(Math).max(3, 7)", 7),
        ("T(java.lang.Integer).parseInt('12') + 1", 13),
        ("T(String).join('-', list)", "a-b-c"),
        ("T(String).format('%05d|%s', 42, 'x')", "00042|x"),
        ("T(java.time.LocalDate).parse('2026-01-31').plusMonths(1).toString()", "2026-02-28"),
        ("T(java.time.Instant).parse('2026-01-01T00:00:00Z').toEpochMilli()", 1767225600000),
        ("new java.text.SimpleDateFormat('yyyy-MM-dd HH:mm').format(new java.util.Date(0))", "1970-01-01 00:00"),
        ("T(java.net.URLEncoder).encode('a b/c', 'UTF-8')", "a+b%2Fc"),
        ("#twice(count)", 42),
        ("(1.0E10).toString()", "1.0E10"),
        ("(0.1 + 0.2) + ''", "0.30000000000000004"),
        ("100.0 + ''", "100.0"),
    ],
)
def test_an_expression_has_its_value(text: str, value: Any):
    found = evaluate(text, ROOT, functions={"twice": lambda n: n * 2})
    assert found == value
    assert isinstance(found, bool) == isinstance(value, bool)


@pytest.mark.parametrize("text", ["", "  ", "1 +", "(1", "'open", "a..b", "{1,", "a[", "1 2", "a = 1", "a++", "@bean"])
def test_what_is_no_expression_is_refused(text: str):
    with pytest.raises(ParseError):
        evaluate(text, ROOT)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("missing.deeper", "EL1007E"),
        ("name.nothing", "EL1008E"),
        ("name.nothing()", "EL1004E"),
        ("missing.m()", "EL1011E"),
        ("list[9]", "EL1025E"),
        ("#unknown()", "EL1006E"),
        ("'a' * 2.5", "EL1030E"),
        ("1 / 0", "/ by zero"),
        ("'a' < 1", "EL1013E"),
        ("name ? 1 : 2", "cannot convert from java.lang.String to java.lang.Boolean"),
        ("'abc'.substring(5)", "begin 5, end 3, length 3"),
        ("name matches '('", "not a regular expression"),
    ],
)
def test_an_error_says_what_and_where(text: str, said: str):
    with pytest.raises(EvaluationError) as caught:
        evaluate(text, ROOT)
    assert said in caught.value.message
    assert caught.value.pointed().splitlines()[-1].strip() == "^"


@pytest.mark.parametrize(
    "text",
    [
        "T(java.lang.Runtime).getRuntime()",
        "T(java.lang.System).exit(1)",
        "T(Class).forName('x')",
        "new java.io.File('/etc/passwd')",
        "''.class",
        "''.getClass()",
        "name.__class__",
        "#root.__class__",
        "list.__len__()",
        "list.append('x')",
        "map.get('k')",
        "map.pop('k')",
        "T(Math).__init__()",
        "#this.__dict__",
    ],
)
def test_there_is_no_way_out(text: str):
    try:
        found = evaluate(text, ROOT)
    except SpelError:
        return
    assert found is None


@pytest.mark.parametrize(
    "text",
    ["9999999999 ^ 1000", "'x'.repeat(999999999)", "(" * 500 + "1" + ")" * 500, "-" * 5000 + "1", "1" + "+1" * 6000],
)
def test_hostile_expressions_are_bounded(text: str):
    with pytest.raises(SpelError):
        evaluate(text, ROOT)


def test_steps_are_counted():
    with pytest.raises(LimitError):
        evaluate("list.![#root.list.![#root.list.![1]]]", ROOT, limits=Limits(steps=30))


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("${count}", 21),
        ("${ list }", ["a", "b", "c"]),
        ("n=${count}, ${name}", "n=21, shop"),
        ("${list} and ${flag}", "a,b,c and true"),
        ("${ {'a': '}'} }", {"a": "}"}),
        ("$${count}", "$21"),
        ("total ${count} ${ gone }", "total 21 ${gone}"),
        ("${gone}", "${gone}"),
        ("${name.gone}", "${name.gone}"),
        ("${", "${"),
        ("${}", "${}"),
        ("a ${map}", "a ${map}"),
    ],
)
def test_a_template_becomes_its_value(template: str, value: Any):
    assert render(template, ROOT).value == value


def test_an_absent_value_is_told_as_orca_tells_it():
    tree = {"comments": "total ${count} by ${name} ${ undefinedVar }"}
    value, [problem] = render_tree(tree, ROOT)
    assert value == {"comments": "total 21 by shop ${undefinedVar}"}
    assert problem.expression == "total count by name undefinedVar"
    assert problem.description == "Failed to evaluate [comments] : total count by name undefinedVar not found"
    assert problem.level == "INFO"


def test_a_tree_is_evaluated_keys_included_and_the_original_is_left():
    tree = {"${name}": ["${count}", {"deep": "${map.k}", "bad": "${name.gone}"}], "n": 1}
    value, problems = render_tree(tree, ROOT)
    assert value == {"shop": [21, {"deep": "v", "bad": "${name.gone}"}], "n": 1}
    assert [(p.path, p.level) for p in problems] == [(("${name}", "bad"), "ERROR")]
    assert "${name}" in tree


def test_a_tree_without_expressions_is_known_cheaply():
    assert not has_expression({"a": ["b", {"c": "$ {"}]})
    assert has_expression({"a": [{"c": "x ${y}"}]})


numbers = st.integers(-1000, 1000)


@given(a=numbers, b=numbers, c=numbers.filter(bool))
def test_arithmetic_is_javas(a: int, b: int, c: int):
    assert evaluate(f"({a}) + ({b}) * ({c})", {}) == a + b * c
    assert evaluate(f"({a}) / ({c})", {}) == int(a / c)
    assert evaluate(f"({a}) % ({c})", {}) == a - c * int(a / c)


def check_never_a_crash(text: str) -> None:
    render(f"${{{text}}}", ROOT)
    column = 0
    try:
        evaluate(text, ROOT)
    except SpelError as error:
        column = error.column
    assert 0 <= column <= len(text)


@given(text=st.text(max_size=60))
def test_any_text_is_a_value_or_an_error_never_a_crash(text: str):
    check_never_a_crash(text)


signs = st.sampled_from([*list("()[]{}'.?:!^$#Ta1+,"), "?.", "?:", "![", ".?["])


@given(st.lists(signs, max_size=25).map("".join))
def test_any_mix_of_signs_is_a_value_or_an_error(text: str):
    check_never_a_crash(text)


@given(value=st.text(max_size=30))
def test_a_text_survives_as_a_literal(value: str):
    quoted = "'" + value.replace("'", "''") + "'"
    assert evaluate(quoted, {}) == value
