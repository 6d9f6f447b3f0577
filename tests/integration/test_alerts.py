"""Alerts ask for metrics that there are, and the page tells what each means."""

import re
from pathlib import Path

import pytest
from gennaker.platform import Platform
from httpx2 import get
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for group in YAML(typ="safe").load(ROOT / "deploy" / "monitoring" / "alerts.yaml")["groups"]
    for rule in group["rules"]
]
PAGE = (ROOT / "docs" / "how-to" / "answer-an-alert.md").read_text()
REFERENCE = (ROOT / "docs" / "reference" / "metrics.md").read_text()
_OURS = r"\b(?:orca|echo|bus|clouddriver|gate|http)_[a-z_]+"


@pytest.fixture(scope="module")
def known(platform: Platform) -> set[str]:
    """The names of all metrics of the platform's processes, those without a value too."""
    import clouddriver.worker
    import orca.worker
    from prometheus_client import generate_latest

    assert clouddriver.worker
    assert orca.worker
    texts = get(f"{platform.gate_url}/metrics").text, generate_latest().decode()
    return {name for text in texts for name in re.findall(r"^# TYPE (\S+)", text, re.MULTILINE)}


def base(name: str) -> str:
    """The name of the metric to which a sample of a histogram belongs."""
    return re.sub(r"_(bucket|count|sum)$", "", name)


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_asks_for_metrics_that_there_are(known: set[str], rule: dict[str, str]) -> None:
    asked = set(re.findall(_OURS, re.sub(r"{.*?}", "", rule["expr"])))
    assert asked
    assert {name for name in asked if name not in known and base(name) not in known} == set()


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_has_its_part_in_the_page(rule: dict[str, str]) -> None:
    assert f"\n## {rule['alert']}\n" in PAGE


def test_the_page_speaks_of_no_alert_that_there_is_not() -> None:
    assert set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)) == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("page", [PAGE, REFERENCE], ids=["alerts", "metrics"])
def test_the_pages_name_metrics_that_there_are(known: set[str], page: str) -> None:
    named = {name for quoted in re.findall(r"`([^`\n]+)`", page) for name in re.findall(f"^{_OURS}", quoted)}
    assert named
    assert {name for name in named if name not in known and base(name) not in known} == set()


def test_what_orca_measures_is_in_the_reference(known: set[str]) -> None:
    ours = {name for name in known if name.startswith(("orca_", "bus_")) and not name.endswith("_created")}
    assert {name for name in ours if f"`{name}`" not in REFERENCE} == set()
