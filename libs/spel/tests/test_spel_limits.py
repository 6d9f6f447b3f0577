"""Every bound: what is too long, too deep, too wide or too much is refused, and nothing reaches Python."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spel import EvaluationError, LimitError, Limits, SpelError, called_functions, evaluate, plain, render, render_tree

LONG = "x" * 900_000
ROOT: dict[str, Any] = {
    "text": LONG,
    "thousand": list(range(1000)),
    "wide": [{"n": n, "s": "x" * 50} for n in range(20_000)],
    "name": "shop",
}


def nested(levels: int) -> list[Any]:
    outer: list[Any] = []
    inner = outer
    for _ in range(levels):
        deeper: list[Any] = []
        inner.append(deeper)
        inner = deeper
    inner.append("${1}")
    return outer


DOUBLED = "{{1, 1}}" + ".![{#this, #this}]" * 60
"""A list of two lists of two lists …: 2^60 values, of which most are the same."""


@pytest.mark.parametrize(
    "text",
    [
        # steps
        "thousand.![#root.thousand.![#root.thousand.![1]]]",
        "wide.![#root.wide == #root.wide]",
        "wide.![#root.wide.contains(#this)]",
        "thousand.![#root.wide.subList(0, 20000)]",
        "thousand.![new int[100000]]",
        f"({DOUBLED}) == ({DOUBLED})",
        f"({DOUBLED}).toString()",
        f"'x' + {DOUBLED}",
        f"({DOUBLED}).contains(5)",
        f"({DOUBLED}).hashCode()",
        # texts: made once, and made again and again
        "text + text",
        "text.repeat(2)",
        "text.concat(text)",
        "'x'.repeat(1000000).repeat(1000000)",
        "'x' * 2147483647",
        "text.replace('x', 'xx')",
        "text.replaceAll('x', 'xx')",
        "text.replaceAll('[x]', 'xx')",
        "text.indent(2000000)",
        "T(String).join(text, 'a', 'b', 'c')",
        "T(String).format('%s%s', text, text)",
        "T(String).format('%2000000s', 1)",
        "T(String).format('%.99999f', 1.5)",
        "wide.toString()",
        "thousand.![#root.text.toUpperCase()]",
        "text.hashCode()",
        # collections
        "text.split('')",
        "text.split('x')",
        "text.getBytes()",
        "text.toCharArray()",
        "new int[2000000000]",
        # patterns
        "text matches '(x+x+)+y'",
        "text.replaceAll('(x|xx|xxx)*y', 'z')",
        "'x'.repeat(30000).replaceAll('[x]', 'y')",
        f"name matches '{'a' * 1001}'",
    ],
)
def test_what_would_cost_too_much_is_refused(text: str):
    with pytest.raises(EvaluationError) as caught:
        evaluate(text, ROOT)
    assert 0 <= caught.value.column <= len(text)


@pytest.mark.parametrize(
    "text",
    [
        "(" * 500 + "1" + ")" * 500,
        "{" * 500 + "}" * 500,
        "[" * 500 + "1" + "]" * 500,
        "1||1&&1==1+1*1^(" * 60 + "1" + ")" * 60,
        "#twice(" * 500 + "1" + ")" * 500,
        "name.concat(" * 500 + "'a'" + ")" * 500,
        "-" * 5000 + "1",
        "!" * 5000 + "true",
        "true ? 1 : " * 900 + "2",
        "{a:" * 500 + "1" + "}" * 500,
        "thousand.?[" * 500 + "true" + "]" * 500,
        "9" * 5000,
        "x" * 10_001,
    ],
)
def test_what_is_nested_too_deeply_or_too_long_is_refused(text: str):
    with pytest.raises(SpelError) as caught:
        evaluate(text, ROOT)
    assert len(caught.value.message) < 25_000
    assert render(f"${{{text}}}", ROOT).value == f"${{{text}}}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1" + "+1" * 3000, 3001),
        ("'a'" + "+'b'" * 2000, "a" + "b" * 2000),
        ("name" + ".toUpperCase()" * 500, "SHOP"),
        ("false" + " || false" * 1000, False),
        ("null" + " ?: null" * 90 + " ?: 1", 1),
        ("false ? 1 : " * 90 + "2", 2),
    ],
)
def test_what_is_only_long_takes_no_depth(text: str, value: Any):
    assert evaluate(text, ROOT) == value


def test_steps_and_depth_are_as_many_as_the_limits_say():
    assert evaluate("1 + 1", {}, limits=Limits(steps=10)) == 2
    with pytest.raises(LimitError, match="needs more than 4 steps"):
        evaluate("1 + 1 + 1", {}, limits=Limits(steps=4))
    with pytest.raises(LimitError, match="nested too deeply"):
        evaluate("((1 + (1 + (1 + 1))))", {}, limits=Limits(depth=3))
    with pytest.raises(LimitError, match="EL1079E"):
        evaluate("1 + 1", {}, limits=Limits(expression_length=4))
    with pytest.raises(LimitError, match="longer than 3 characters"):
        evaluate("'ab'.concat('cd')", {}, limits=Limits(output_length=3))
    with pytest.raises(LimitError, match="More than 2 elements"):
        evaluate("'a,b,c'.split(',')", {}, limits=Limits(collection_size=2))
    with pytest.raises(LimitError, match="More than 3 values"):
        plain([1, 2, 3], 3)


def test_a_result_of_too_many_values_stays_as_it_was():
    rendered = render(f"${{{DOUBLED}}}", ROOT, limits=Limits(output_nodes=1000))
    assert rendered.value == f"${{{DOUBLED}}}"
    assert "More than 1000 values came out" in rendered.problems[0].description


def test_a_text_of_parts_is_bounded_too():
    rendered = render("${text}${text}", ROOT)
    assert rendered.value == "${text}${text}"
    assert "longer than" in rendered.problems[0].message


def test_all_expressions_of_a_tree_share_their_steps():
    tree = {str(n): "${thousand.![1].size()}" for n in range(50)}
    value, problems = render_tree(tree, ROOT, limits=Limits(tree_steps=20_000))
    assert value["0"] == 1000
    assert value["49"] == tree["49"]
    assert "steps" in problems[-1].message


def test_data_nested_too_deeply_is_left_alone():
    value, problems = render_tree({"deep": nested(5000), "n": "${1 + 1}"}, {})
    assert (value["n"], problems) == (2, [])
    for text in ("deep", "deep.toString()", "deep == other", "'x' + deep"):
        assert render(f"${{{text}}}", {"deep": nested(5000), "other": nested(5000)}).problems


@pytest.mark.parametrize(
    "text",
    [
        "T(java.lang.Runtime).getRuntime()",
        "T(java.lang.Class).forName('x')",
        "T(java.lang.ProcessBuilder)",
        "T(String).getClass()",
        "T(String).class",
        "T(Math).__class__",
        "T(Integer).getInteger('x')",
        "T(Boolean).getBoolean('x')",
        "new java.lang.ProcessBuilder('ls')",
        "''.class",
        "''.getClass()",
        "name.__class__",
        "name.encode()",
        "name.format(1)",
        "thousand.__len__()",
        "thousand.append(1)",
        "thousand.sort()",
        "thousand.remove(0)",
        "host.secret",
        "host.__dict__",
        "host['secret']",
        "#root.host.secret",
        "host.getSecret()",
        "T(java.time.LocalDate).now().at",
        "new java.util.Date().at",
        "new java.util.Random()._seed",
        "T(java.util.UUID).randomUUID().value",
        "T(java.time.temporal.TemporalAdjusters).firstDayOfMonth().adjust",
    ],
)
def test_nothing_but_what_is_listed_can_be_reached(text: str):
    class Host:
        secret = "the canary sings"

    with pytest.raises(SpelError):
        evaluate(text, ROOT | {"host": Host()})


@pytest.mark.parametrize("text", ["map.pop('k')", "map.clear()", "map.put('a', 1)", "map['a'] = 1", "thousand[0] = 1"])
def test_nothing_can_be_changed(text: str):
    root = {"map": {"k": 1}, "thousand": [5]}
    with pytest.raises(SpelError):
        evaluate(text, root)
    assert root == {"map": {"k": 1}, "thousand": [5]}


def test_a_value_that_comes_out_is_a_copy():
    root = {"map": {"k": [1]}}
    value = render("${map}", root).value
    value["k"].append(2)
    assert root == {"map": {"k": [1]}}


@pytest.mark.parametrize(
    ("template", "names"),
    [
        ("${#a(#b('x'))} and ${list.?[#c(#this)]}", {"a", "b", "c"}),
        ("#a()", set[str]()),
        ("${#a(}", set[str]()),
        ("${'#a()'}", set[str]()),
        ("${new int[]{#a()}[0] ? #b() : {k: #c()}}", {"a", "b", "c"}),
    ],
)
def test_the_functions_of_a_text_are_known_without_calling_them(template: str, names: set[str]):
    assert called_functions(template) == names


words = st.sampled_from(
    [
        *(
            "name",
            "thousand",
            "missing",
            "1",
            "2L",
            "1.5",
            "'a'",
            "true",
            "null",
            "#this",
            "#root",
            "T(String)",
            "T(Math)",
        ),
        *(".", "?.", "[0]", ".?[", ".![", "]", "(", ")", "{", "}", ",", ":", "?", "?:", "+", "-", "*", "/", "^", "=="),
        *(
            "size()",
            "length",
            "toString()",
            "split(",
            "repeat(",
            "matches",
            "between",
            "instanceof",
            "and",
            "!",
            "new ",
        ),
        *("java.util.Date", "int[", "format(", "replaceAll(", "max(", "contains("),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(words, max_size=14).map(" ".join))
def test_any_words_are_a_value_or_an_error(text: str):
    limits = Limits(steps=5_000, tree_steps=5_000)
    value, _ = render_tree(
        {"a": f"${{{text}}}", f"${{{text}}}": f"b ${{{text}}}"}, {"name": "shop", "thousand": [1, 2]}, limits=limits
    )
    assert isinstance(value, dict)


@settings(max_examples=200, deadline=None)
@given(template=st.text(alphabet="${}[]()'\"ab.+ ", max_size=40))
def test_any_template_is_left_or_evaluated(template: str):
    rendered = render(template, {"a": 1, "b": {"a": "x"}})
    if rendered.problems and rendered.problems[0].level == "ERROR":
        assert rendered.value == template
