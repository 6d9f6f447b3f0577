"""Each rule of an execution: what a pipeline does here is what it did in Orca.

All cases run at the same time, so the first test waits for all of them.
"""

from pathlib import Path

import httpx2
import pytest
from orca.testing.conformance import Case, Outcome, load_cases, read_case, run_cases

CASES = load_cases(Path(__file__).parent / "cases")

CHAPTERS = [
    *(f"1.{n}" for n in range(1, 19)),
    *(f"3.{n}" for n in (1, 2, 3, 4, 12)),
    *(f"4.{n}" for n in range(1, 7)),
    *(f"5.{n}" for n in range(1, 4)),
    *(f"6.{n}" for n in range(1, 6)),
    "7",
]

WRONG = [
    read_case(text, f"wrong-{n}")
    for n, text in enumerate(
        [
            """
rule: 0 the wrong status
pipeline: {stages: [{type: wait}]}
expect: {main: {status: TERMINAL}}
""",
            """
rule: 0 a value that isn't there
pipeline: {stages: [{type: wait, waitTime: 0}]}
expect: {main: {status: SUCCEEDED, stages: {"0": {context: {waitTime: 0, other: 1}}}}}
""",
            """
rule: 0 an order that isn't so
pipeline: {stages: [{type: wait, waitTime: 1}, {type: wait}]}
expect: {main: {status: SUCCEEDED, order: ["1 < 0"]}}
""",
            """
rule: 0 a request that nobody makes
pipeline: {stages: [{type: wait}]}
requests: {/never: [{method: GET}]}
expect: {main: {status: SUCCEEDED}}
""",
            """
rule: 0 an answer with another status
steps: [{do: GET /pipelines/nobody, answers: 200, answer: {}}]
""",
        ]
    )
]


@pytest.fixture(scope="session")
def outcomes(
    request: pytest.FixtureRequest, orca_client: httpx2.Client, front50_client: httpx2.Client
) -> dict[str, Outcome]:
    """What became of the cases that this session tests."""
    tested = {item.name for item in request.session.items}
    asked = [case for case in CASES if f"{test_the_rule_holds.__name__}[{case.name}]" in tested]
    return run_cases(asked, orca_client, front50_client)


@pytest.fixture(scope="session")
def outcomes_of_wrong(orca_client: httpx2.Client, front50_client: httpx2.Client) -> dict[str, Outcome]:
    """What became of the cases whose expectations are wrong."""
    return run_cases(WRONG, orca_client, front50_client, settles=0.5)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_rule_holds(case: Case, outcomes: dict[str, Outcome]):
    assert outcomes[case.name].problems == [], case.rule


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.rule)
def test_an_expectation_that_is_wrong_fails(case: Case, outcomes_of_wrong: dict[str, Outcome]):
    assert outcomes_of_wrong[case.name].problems != []


def test_every_chapter_of_the_rules_has_its_cases():
    assert set(CHAPTERS) - {case.section for case in CASES} == set()
