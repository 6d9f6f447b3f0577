"""Names and what they say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moniker import (
    Moniker,
    NoFreeSequence,
    cluster_of,
    group_name,
    moniker_annotations,
    moniker_of,
    next_group_sequence,
    next_version,
    parse_name,
    parse_version,
    version_name,
    versioned_name,
)

words = st.from_regex(r"[a-zA-Z0-9._]+", fullmatch=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shop", Moniker("shop", "shop")),
        ("shop-v003", Moniker("shop", "shop", sequence=3)),
        ("shop-prod", Moniker("shop", "shop-prod", "prod")),
        ("shop-prod-eu-west-v012", Moniker("shop", "shop-prod-eu-west", "prod", "eu-west", 12)),
        ("shop--canary-v000", Moniker("shop", "shop--canary", None, "canary", 0)),
        ("shop-v12", Moniker("shop", "shop-v12", "v12")),
        ("shop-v1234567", Moniker("shop", "shop-v1234567", "v1234567")),
        ("shop-prod-v123456", Moniker("shop", "shop-prod", "prod", sequence=123456)),
        ("shop-prod-eu-c0us-d0dev-v001", Moniker("shop", "shop-prod-eu-c0us-d0dev", "prod", "eu", 1)),
        ("nginx-deployment-7d4-abc", Moniker("nginx", "nginx-deployment-7d4-abc", "deployment", "7d4-abc")),
        ("deployment shop", Moniker(cluster="deployment shop")),
        ("-v001", Moniker(sequence=1)),
        ("", Moniker()),
    ],
)
def test_a_name_is_read_by_friggas_rules(name: str, expected: Moniker):
    assert parse_name(name) == expected


@given(words, st.none() | words, st.none() | words, st.none() | st.integers(0, 999_999))
def test_a_name_that_was_built_reads_back(app: str, stack: str | None, detail: str | None, sequence: int | None):
    cluster = cluster_of(app, stack, detail)
    group = group_name(cluster, sequence)
    if sequence is None and parse_name(group).sequence is not None:
        return
    read = parse_name(group)
    assert (read.app, read.cluster, read.sequence) == (app, cluster, sequence)


@given(st.text(max_size=80))
def test_any_text_can_be_read(name: str):
    assert isinstance(parse_name(name), Moniker)
    assert isinstance(moniker_of("pod", name, {}), Moniker)


@pytest.mark.parametrize(
    ("kind", "name", "annotations", "expected"),
    [
        ("deployment", "shop-api", {}, Moniker("shop", "shop-api")),
        (
            "deployment",
            "shop-api",
            {"moniker.spinnaker.io/application": "store", "moniker.spinnaker.io/cluster": "deployment shop-api"},
            Moniker("store", "deployment shop-api"),
        ),
        (
            "configMap",
            "settings-v004",
            {
                "moniker.spinnaker.io/application": '"store"',
                "moniker.spinnaker.io/stack": "prod",
                "moniker.spinnaker.io/detail": "eu",
                "moniker.spinnaker.io/sequence": "7",
            },
            Moniker("store", "settings", "prod", "eu", 7),
        ),
        (
            "replicaSet",
            "shop-6d4",
            {"deployment.kubernetes.io/revision": "12"},
            Moniker("shop", "shop-6d4", None, None, 12),
        ),
        ("deployment", "shop", {"deployment.kubernetes.io/revision": "12"}, Moniker("shop", "shop")),
        (
            "clusterRole",
            "system:certificates.k8s.io:nodeclient-v003",
            {},
            Moniker("system", "system:certificates.k8s.io:nodeclient", sequence=3),
        ),
        (
            "pod",
            "shop",
            {"moniker.spinnaker.io/application": '"broken', "moniker.spinnaker.io/sequence": "x"},
            Moniker('"broken', "shop"),
        ),
        ("pod", "shop", {"moniker.spinnaker.io/application": '"a"b"'}, Moniker("shop", "shop")),
    ],
)
def test_a_kubernetes_object_belongs_where_its_annotations_say_else_its_name(
    kind: str, name: str, annotations: dict[str, str], expected: Moniker
):
    assert moniker_of(kind, name, annotations) == expected


@given(words, words, st.none() | words, st.none() | words, st.none() | st.integers(0, 10**9))
def test_a_moniker_survives_its_annotations(
    app: str, cluster: str, stack: str | None, detail: str | None, sequence: int | None
):
    moniker = Moniker(app, cluster, stack, detail, sequence)
    assert moniker_of("pod", "x", moniker_annotations(moniker)) == moniker


def test_a_moniker_survives_its_json_and_tolerates_what_is_no_moniker():
    moniker = Moniker("shop", "shop-prod", "prod", None, 3)
    assert Moniker.from_json(moniker.to_json()) == moniker
    assert Moniker.from_json({"app": " ", "cluster": 7, "sequence": True}) == Moniker()


@given(st.integers(0, 10**6))
def test_a_version_reads_back(sequence: int):
    assert parse_version(version_name(sequence)) == sequence


def test_versions_are_written_with_three_digits_at_least():
    assert [version_name(n) for n in (0, 12, 999, 1000)] == ["v000", "v012", "v999", "v1000"]
    assert versioned_name("settings", "v001") == "settings-v001"
    assert versioned_name("settings", "") == "settings"
    assert [parse_version(text) for text in ("", None, "1", "v", "v1x")] == [None] * 5


@given(st.lists(st.integers(0, 5000)))
def test_the_next_version_is_above_all_that_are_taken(taken: list[int]):
    assert next_version(taken) == max(taken, default=-1) + 1


@pytest.mark.parametrize(
    ("newest", "taken", "expected"),
    [(None, [], 0), (0, [0], 1), (999, [999], 0), (999, [999, 0, 1], 2), (5, [6, 7], 8), (12345, [], 346)],
)
def test_the_next_group_wraps_at_a_thousand_and_skips_what_is_taken(
    newest: int | None, taken: list[int], expected: int
):
    assert next_group_sequence(newest, taken) == expected


@given(st.none() | st.integers(0, 999), st.sets(st.integers(0, 999), max_size=999))
def test_the_next_group_is_always_free(newest: int | None, taken: set[int]):
    assert next_group_sequence(newest, taken) not in taken


def test_a_cluster_with_every_number_taken_has_no_next_group():
    with pytest.raises(NoFreeSequence, match="in use"):
        next_group_sequence(3, range(1000))
