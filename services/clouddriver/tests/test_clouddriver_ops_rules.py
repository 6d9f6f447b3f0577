"""The rules of deploying, by tables: kinds, annotations, versions, bound artifacts, selectors, traffic, owners."""

import copy
from typing import Any

import pytest
from clouddriver.kubernetes import field_ownership, intake, traffic
from clouddriver.kubernetes.annotations import (
    AnnotationError,
    DeployStrategy,
    LabelRules,
    annotated,
    artifact_of,
    deploy_strategy,
    load_balancers_of,
)
from clouddriver.kubernetes.artifact import Artifact
from clouddriver.kubernetes.artifact_binding import artifacts_in, bind, image_name, merge_artifacts, not_bound
from clouddriver.kubernetes.cleanup import surplus
from clouddriver.kubernetes.delete import DeleteOptions
from clouddriver.kubernetes.kinds import CATALOGUE, kind_named, kind_of, parse_full_name
from clouddriver.kubernetes.label_selectors import LabelSelector, as_query, matches, selects_everything
from clouddriver.kubernetes.undo_rollout import Revision, choose_revision, controller_history, deployment_history
from clouddriver.kubernetes.versioning import PriorVersion, choose_version, content_of, is_versioned, prior_versions
from hypothesis import given
from hypothesis import strategies as st
from moniker import Moniker


def an_object(kind: str = "ConfigMap", api: str = "v1", **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": "shop", "namespace": "prod", **metadata}}


def noted(**annotations: str) -> dict[str, Any]:
    names = {key.replace("_", "-"): value for key, value in annotations.items()}
    return an_object(annotations={f"strategy.spinnaker.io/{key}": value for key, value in names.items()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deployment", "deployment"),
        ("Deployment.apps", "deployment"),
        ("DEPLOY", "deployment"),
        ("rs", "replicaSet"),
        ("hpa", "horizontalpodautoscaler"),
        ("HorizontalPodAutoscaler", "horizontalpodautoscaler"),
        ("NetworkPolicy.networking.k8s.io", "networkPolicy"),
        ("NetworkPolicy.crd.projectcalico.org", "NetworkPolicy.crd.projectcalico.org"),
        ("Certificate.cert-manager.io", "Certificate.cert-manager.io"),
    ],
)
def test_a_kind_is_found_by_any_of_its_names(text: str, expected: str):
    assert kind_named(text).name == expected


def test_a_manifest_s_kind_is_named_with_its_group_when_that_is_not_kubernetes_own():
    assert kind_of("apps/v1", "ReplicaSet").name == "replicaSet"
    assert kind_of("example.com/v1", "Deployment").name == "Deployment.example.com"
    assert kind_of("example.com/v1", "Deployment").priority == 1000
    assert kind_of("coordination.k8s.io/v1", "Lease").name == "lease"


def test_what_is_needed_first_is_deployed_first():
    order = sorted(CATALOGUE, key=lambda kind: kind.priority)
    names = [kind.name for kind in order]
    for before, after in [
        ("namespace", "role"),
        ("role", "roleBinding"),
        ("customResourceDefinition", "serviceAccount"),
        ("serviceAccount", "configMap"),
        ("configMap", "service"),
        ("secret", "service"),
        ("service", "deployment"),
        ("deployment", "horizontalpodautoscaler"),
    ]:
        assert names.index(before) < names.index(after)


def test_only_these_kinds_have_versions():
    assert {kind.name for kind in CATALOGUE if kind.versioned} == {"replicaSet", "pod", "configMap", "secret"}


@pytest.mark.parametrize("text", ["", "deployment", "deployment ", " x", "a b c", "deployment  x"])
def test_a_name_that_is_not_two_words_is_refused(text: str):
    with pytest.raises(ValueError, match="has to be '<kind> <name>'"):
        parse_full_name(text)


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (an_object(), DeployStrategy()),
        (noted(versioned="true"), DeployStrategy(versioned=True)),
        (noted(versioned="false"), DeployStrategy(versioned=False)),
        (noted(versioned='"false"'), DeployStrategy(versioned=False)),
        (noted(recreate="true", replace="TRUE"), DeployStrategy(recreate=True, replace=True)),
        (noted(recreate="yes"), DeployStrategy()),
        (noted(server_side_apply="true"), DeployStrategy()),
        (noted(server_side_apply="force-conflicts"), DeployStrategy(force_conflicts=True)),
        (noted(max_version_history="3"), DeployStrategy(max_version_history=3)),
        (noted(use_source_capacity="true"), DeployStrategy(use_source_capacity=True)),
    ],
)
def test_the_strategy_is_read_from_annotations(manifest: dict[str, Any], expected: DeployStrategy):
    assert deploy_strategy(manifest) == expected


def test_annotations_that_can_t_be_understood_are_named():
    with pytest.raises(AnnotationError, match="max-version-history of configMap shop is '-1'"):
        deploy_strategy(noted(max_version_history="-1"))
    behind = an_object(annotations={"traffic.spinnaker.io/load-balancers": "service shop"})
    with pytest.raises(AnnotationError, match="has to be a JSON list of names"):
        load_balancers_of(behind)


ARTIFACT = Artifact("kubernetes/deployment", "shop", "prod", "", "shop")
MONIKER = Moniker("store", "deployment shop", "prod", None, 4)


def test_annotations_and_labels_are_written_on_the_object_and_its_pods():
    manifest = an_object("Deployment", "apps/v1") | {"spec": {"template": {"metadata": {}, "spec": {}}}}
    before = copy.deepcopy(manifest)
    written = annotated(manifest, MONIKER, ARTIFACT, LabelRules(managed_by="spinnaker-eu"))
    assert manifest == before
    for metadata in (written["metadata"], written["spec"]["template"]["metadata"]):
        assert metadata["annotations"] == {
            "moniker.spinnaker.io/application": "store",
            "moniker.spinnaker.io/cluster": "deployment shop",
            "moniker.spinnaker.io/stack": "prod",
            "moniker.spinnaker.io/sequence": "4",
            "artifact.spinnaker.io/type": "kubernetes/deployment",
            "artifact.spinnaker.io/name": "shop",
            "artifact.spinnaker.io/location": "prod",
            "artifact.spinnaker.io/version": "",
        }
        assert metadata["labels"] == {
            "app.kubernetes.io/name": "store",
            "app.kubernetes.io/managed-by": "spinnaker-eu",
            "moniker.spinnaker.io/sequence": "4",
        }
    assert artifact_of(written, "a") == Artifact(
        "kubernetes/deployment", "shop", "prod", "", "shop", metadata={"account": "a"}
    )


def test_what_the_user_wrote_stays_apart_from_who_manages_it():
    own = {"moniker.spinnaker.io/application": "mine"}
    labels = {"app.kubernetes.io/name": "mine", "app.kubernetes.io/managed-by": "helm"}
    manifest = an_object(annotations=own, labels=labels)
    metadata = annotated(manifest, MONIKER, ARTIFACT, LabelRules())["metadata"]
    assert metadata["annotations"]["moniker.spinnaker.io/application"] == "mine"
    assert metadata["labels"]["app.kubernetes.io/name"] == "mine"
    assert metadata["labels"]["app.kubernetes.io/managed-by"] == "spinnaker"


def test_labels_can_be_left_out_and_a_name_that_is_no_label_is():
    template = {"spec": {"template": {"metadata": {"labels": {"app": "x"}}}}}
    without = annotated(an_object() | template, MONIKER, ARTIFACT, LabelRules(enabled=False))
    assert "labels" not in without["metadata"]
    pods = annotated(an_object() | template, MONIKER, ARTIFACT, LabelRules(on_template=False))["spec"]["template"]
    assert pods["metadata"]["labels"] == {"app": "x"}
    odd = annotated(an_object(), Moniker("my app!"), ARTIFACT, LabelRules())["metadata"]["labels"]
    assert odd == {"app.kubernetes.io/managed-by": "spinnaker"}


@pytest.mark.parametrize("spec", [None, [], "x", {"template": "x"}, {"template": []}, {"template": {"metadata": 3}}])
def test_a_spec_of_another_shape_is_left_alone(spec: Any):
    written = annotated(an_object() | {"spec": spec}, MONIKER, ARTIFACT, LabelRules())
    assert written["spec"] == spec


@pytest.mark.parametrize(
    ("kind", "annotation", "stage", "expected"),
    [
        ("ConfigMap", None, None, True),
        ("Service", None, None, False),
        ("Service", None, True, True),
        ("ConfigMap", None, False, False),
        ("ConfigMap", True, False, True),
        ("ConfigMap", False, True, False),
    ],
)
def test_the_annotation_decides_about_versions_then_the_stage_then_the_kind(
    kind: str, annotation: bool | None, stage: bool | None, expected: bool
):
    assert is_versioned(an_object(kind), DeployStrategy(versioned=annotation), stage) is expected


def live(version: str, created: str, name: str = "shop", **more: Any) -> dict[str, Any]:
    annotations = {
        "artifact.spinnaker.io/type": "kubernetes/configMap",
        "artifact.spinnaker.io/name": name,
        "artifact.spinnaker.io/location": "prod",
        "artifact.spinnaker.io/version": version,
        **more,
    }
    return an_object(name=f"{name}-{version}", creationTimestamp=created, annotations=annotations)


def test_prior_versions_are_those_of_the_name_oldest_first():
    applied = '{"apiVersion":"v1","data":{"a":"1"},"kind":"ConfigMap","metadata":{"name":"x"}}'
    found = prior_versions(
        [
            live("v002", "2026-01-02T00:00:00Z", **{"gennaker.io/content-hash": "h"}),
            live("v000", "2026-01-03T00:00:00Z"),
            live("v009", "2026-01-01T00:00:00Z", name="other"),
            live("v001", "2026-01-01T00:00:00Z", **{"kubectl.kubernetes.io/last-applied-configuration": applied}),
            an_object(name="shop-v007"),
        ],
        "shop",
    )
    same = content_of({"kind": "ConfigMap", "apiVersion": "v1", "data": {"a": "1"}, "metadata": {"labels": {}}})
    assert found == [PriorVersion(1, same), PriorVersion(2, "h"), PriorVersion(0, None)]


@given(st.lists(st.tuples(st.integers(0, 2000), st.sampled_from(["a", "b", "c"]))), st.sampled_from(["a", "b", "d"]))
def test_a_version_is_used_again_only_for_the_same_content(priors: list[tuple[int, str]], content: str):
    known = [PriorVersion(number, text) for number, text in priors]
    chosen = choose_version(content, known)
    same = [prior.sequence for prior in known if prior.content == content]
    assert chosen == (same[0] if same else max((prior.sequence for prior in known), default=-1) + 1)


def test_content_is_what_is_not_metadata():
    one = an_object(labels={"a": "b"}) | {"data": {"x": "1", "y": "2"}}
    other = {"data": {"y": "2", "x": "1"}} | an_object(name="else")
    assert content_of(one) == content_of(other)
    assert content_of(one) != content_of(one | {"data": {"x": "1"}})


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("nginx", "nginx"),
        ("nginx:1.2", "nginx"),
        ("nginx@sha256:abc", "nginx"),
        ("registry:5000/app", "registry:5000/app"),
        ("registry:5000/app:v1", "registry:5000/app"),
        ("registry.example.com/a/b:v1@sha256:abc", "registry.example.com/a/b"),
        ("", ""),
    ],
)
def test_an_image_s_name_has_no_tag(reference: str, name: str):
    assert image_name(reference) == name


def pod_spec() -> dict[str, Any]:
    return {
        "volumes": [
            {"configMap": {"name": "conf"}},
            {"secret": {"secretName": "key"}},
            {"projected": {"sources": [{"configMap": {"name": "conf"}}, {"secret": {"name": "key"}}]}},
        ],
        "containers": [
            {
                "image": "nginx:1",
                "env": [
                    {"valueFrom": {"configMapKeyRef": {"name": "conf"}}},
                    {"valueFrom": {"secretKeyRef": {"name": "key"}}},
                    {"name": "PLAIN", "value": "conf"},
                ],
                "envFrom": [{"configMapRef": {"name": "conf"}}, {"secretRef": {"name": "key"}}],
            }
        ],
        "initContainers": [{"image": "nginx:2"}],
    }


IMAGE = Artifact("docker/image", "nginx", reference="nginx:9")
CONF = Artifact("kubernetes/configMap", "conf", "prod", "v001", "conf-v001", metadata={"account": "a"})
KEY = Artifact("kubernetes/secret", "key", "prod", "v002", "key-v002")


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob"])
def test_every_reference_of_a_workload_is_bound(kind: str):
    template = {"template": {"spec": pod_spec()}}
    spec = {"jobTemplate": {"spec": template}} if kind == "CronJob" else template
    manifest = an_object(kind, "batch/v1" if "Job" in kind else "apps/v1") | {"spec": spec}
    before = copy.deepcopy(manifest)
    binding = bind(manifest, [IMAGE, CONF, KEY], account="a")
    assert manifest == before
    assert binding.bound == [IMAGE, CONF, KEY]
    text = str(binding.manifest)
    assert (text.count("conf-v001"), text.count("key-v002"), text.count("nginx:9")) == (4, 4, 2)
    assert "'value': 'conf'" in text


def test_a_pod_s_image_must_be_named_exactly():
    manifest = an_object("Pod") | {"spec": {"containers": [{"image": "nginx"}, {"image": "nginx:1"}]}}
    images = [item["image"] for item in bind(manifest, [IMAGE], account="a").manifest["spec"]["containers"]]
    assert images == ["nginx:9", "nginx:1"]


def test_images_can_be_matched_by_their_whole_text():
    manifest = an_object("Deployment", "apps/v1") | {"spec": {"template": {"spec": pod_spec()}}}
    assert bind(manifest, [IMAGE], account="a", images="match-name-only").bound == []


@pytest.mark.parametrize(("kind", "bound"), [("Deployment", True), ("deployment", True), ("Widget", False)])
def test_an_autoscaler_s_target_is_bound(kind: str, bound: bool):
    target = Artifact("kubernetes/deployment", "shop", "prod", "v001", "shop-v001")
    manifest = an_object("HorizontalPodAutoscaler", "autoscaling/v2")
    manifest["spec"] = {"scaleTargetRef": {"kind": kind, "name": "shop"}}
    assert bind(manifest, [target], account="a").bound == ([target] if bound else [])


@pytest.mark.parametrize(
    "artifact",
    [
        Artifact("kubernetes/configMap", "conf", "dev", "v001", "conf-v001"),
        Artifact("kubernetes/configMap", "conf", "prod", "v001", "conf-v001", metadata={"account": "b"}),
        Artifact("kubernetes/secret", "conf", "prod", "v001", "conf-v001"),
        Artifact("", "conf", "prod", "v001", "conf-v001"),
        Artifact("kubernetes/configMap", "conf", "prod", "v001", None),
    ],
)
def test_an_artifact_from_elsewhere_is_not_bound(artifact: Artifact):
    manifest = an_object("Deployment", "apps/v1") | {"spec": {"template": {"spec": pod_spec()}}}
    assert bind(manifest, [artifact], account="a").bound == []


def test_what_was_bound_is_not_taken_for_another_artifact():
    renamed = Artifact("docker/image", "nginx", reference="httpd:1")
    other = Artifact("docker/image", "httpd", reference="apache:2")
    manifest = an_object("Deployment", "apps/v1") | {"spec": {"template": {"spec": pod_spec()}}}
    binding = bind(manifest, [renamed, other], account="a")
    assert binding.bound == [renamed]
    assert "apache" not in str(binding.manifest)


def test_artifacts_are_merged_and_missing_ones_found():
    newer = Artifact("docker/image", "nginx", reference="nginx:8")
    assert merge_artifacts([IMAGE], [newer, CONF]) == [IMAGE, CONF]
    assert not_bound([IMAGE, CONF], [CONF, newer]) == [IMAGE]
    elsewhere = Artifact("docker/image", "nginx", reference="nginx:9", artifact_account="other")
    assert not_bound([IMAGE], [elsewhere]) == []


def test_the_artifacts_of_a_manifest_are_listed_once_each():
    manifest = an_object("Deployment", "apps/v1") | {"spec": {"template": {"spec": pod_spec()}}}
    found = {(artifact.type, artifact.name, artifact.reference) for artifact in artifacts_in(manifest)}
    assert found == {
        ("docker/image", "nginx", "nginx:1"),
        ("docker/image", "nginx", "nginx:2"),
        ("kubernetes/configMap", "conf", "conf"),
        ("kubernetes/secret", "key", "key"),
    }


def test_an_artifact_s_json_keeps_what_is_not_known():
    body = {"type": "docker/image", "name": "nginx", "reference": "nginx:1", "uuid": "u", "metadata": {"id": 1}}
    assert Artifact.from_json(body).to_json() == body
    assert Artifact.from_json({"type": 3, "metadata": []}) == Artifact("")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["spec", "template", "containers", "image", "volumes", "name", "metadata", "annotations"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(st.sampled_from(["Deployment", "CronJob", "Pod", "HorizontalPodAutoscaler"]), json_values)
def test_any_document_can_be_bound_and_annotated(kind: str, spec: Any):
    manifest = an_object(kind, kind_named(kind).api_version) | {"spec": spec}
    binding = bind(manifest, [IMAGE, CONF], account="a")
    assert annotated(binding.manifest, MONIKER, ARTIFACT, LabelRules())["metadata"]["name"] == "shop"


@given(json_values)
def test_any_document_is_a_manifest_or_has_a_fault_that_is_said(document: Any):
    assert intake.fault_in(document, 1)


def test_lists_are_flattened_and_nulls_dropped():
    one, two, three = ({"kind": word} for word in ("A", "B", "C"))
    listed = {"kind": "list", "items": [two, None]}
    assert intake.documents([one, [listed, [three]], None, "kind: D\n---\nkind: E\n"]) == [
        one,
        two,
        three,
        {"kind": "D"},
        {"kind": "E"},
    ]


def test_lists_without_end_are_refused():
    nested: Any = []
    for _ in range(50):
        nested = [nested]
    with pytest.raises(ValueError, match="lists in lists"):
        intake.documents(nested)


def selector(kind: str, key: str = "tier", *values: str) -> LabelSelector:
    return LabelSelector.model_validate({"kind": kind, "key": key, "values": list(values)})


@pytest.mark.parametrize(
    ("chosen", "query", "labels", "fits"),
    [
        (selector("ANY", ""), "", {}, True),
        (selector("equals", "tier", "a"), "tier = a", {"tier": "a"}, True),
        (selector("EQUALS", "tier", "a"), "tier = a", {}, False),
        (selector("NOT_EQUALS", "tier", "a"), "tier != a", {}, True),
        (selector("CONTAINS", "tier", "a", "b"), "tier in (a, b)", {"tier": "b"}, True),
        (selector("NOT_CONTAINS", "tier", "a", "b"), "tier notin (a, b)", {"tier": "b"}, False),
        (selector("EXISTS"), "tier", {"tier": "x"}, True),
        (selector("NOT_EXISTS"), "!tier", {"tier": "x"}, False),
    ],
)
def test_a_selector_is_written_and_matched(chosen: LabelSelector, query: str, labels: dict[str, str], fits: bool):
    assert as_query([chosen]) == query
    assert matches([chosen], labels) is fits


def test_selectors_all_have_to_hold():
    both = [selector("EXISTS"), selector("EQUALS", "app", "shop")]
    assert as_query(both) == "tier,app = shop"
    assert matches(both, {"tier": "a", "app": "shop"})
    assert not matches(both, {"tier": "a"})
    assert selects_everything([])
    assert selects_everything([selector("ANY", "")])
    assert not selects_everything(both)


def test_a_workload_behind_a_service_shares_no_label_with_it():
    balancer = an_object("Service") | {"spec": {"selector": {"lb": "shop"}}}
    workload = an_object("ReplicaSet", "apps/v1") | {"spec": {"template": {"metadata": {"labels": {"app": "x"}}}}}
    joined = traffic.attached(workload, balancer)
    assert joined["spec"]["template"]["metadata"]["labels"] == {"app": "x", "lb": "shop"}
    with pytest.raises(traffic.TrafficError, match="share lb"):
        traffic.attached(joined, balancer)
    with pytest.raises(traffic.TrafficError, match="has no selector"):
        traffic.attached(workload, an_object("Service"))
    assert traffic.attached(an_object("Pod"), balancer)["metadata"]["labels"] == {"lb": "shop"}


def conflict(manager: str, field: str) -> dict[str, Any]:
    message = f'conflict with "{manager}" using apps/v1'
    return {"reason": "FieldManagerConflict", "message": message, "field": field}


def test_conflicts_are_explained_by_their_owners():
    causes = [conflict("helm", ".spec.replicas"), conflict("gennaker-operation", ".spec.paused"), {"reason": "Other"}]
    found = field_ownership.conflicts_in({"details": {"causes": causes}})
    assert [item.manager for item in found] == ["helm", "gennaker-operation"]
    assert not field_ownership.only_with_ourselves(found)
    assert field_ownership.only_with_ourselves(found[1:])
    assert "'helm' has set .spec.replicas" in field_ownership.explain(found)
    assert "gennaker-operation" not in field_ownership.explain(found)
    assert not field_ownership.only_with_ourselves(field_ownership.conflicts_in({}))


def entry(manager: str, operation: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsV1": fields, **more}


def test_what_is_ours_by_right_moves_to_our_apply():
    fields = [
        entry("gennaker", "Apply", {"f:data": {"f:a": {}}}),
        entry("gennaker-undo", "Update", {"f:data": {"f:b": {}}}),
        entry("gennaker-operation", "Update", {"f:data": {"f:c": {}}}),
        entry("helm", "Update", {"f:data": {"f:d": {}}}),
        entry("gennaker-undo", "Update", {"f:status": {}}, subresource="status"),
    ]
    moved = field_ownership.taken_over(an_object(managedFields=fields))
    assert moved == [
        fields[2],
        fields[3],
        fields[4],
        entry("gennaker", "Apply", {"f:data": {"f:a": {}, "f:b": {}}}) | {"time": None},
    ]
    assert field_ownership.taken_over(an_object(managedFields=[fields[0], fields[2], fields[3]])) is None


def test_what_kubectl_applied_is_ours_only_when_spinnaker_did_it():
    fields = [entry("kubectl-client-side-apply", "Update", {"f:data": {}}, time="t")]
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    assert field_ownership.taken_over(an_object(managedFields=fields, annotations=last)) is None
    spinnaker = last | {"artifact.spinnaker.io/type": "kubernetes/configMap"}
    [moved] = field_ownership.taken_over(an_object(managedFields=fields, annotations=spinnaker)) or []
    assert (moved["manager"], moved["operation"], moved["fieldsV1"]) == ("gennaker", "Apply", {"f:data": {}})


def owned(kind: str, number: int, uid: str = "u", **more: Any) -> dict[str, Any]:
    metadata = {"name": f"x-{number}", "ownerReferences": [{"uid": uid}]}
    if kind == "ReplicaSet":
        metadata["annotations"] = {"deployment.kubernetes.io/revision": str(number)}
    return {"kind": kind, "metadata": metadata, **more}


def test_a_history_is_what_the_workload_owns_in_order():
    workload = {"metadata": {"uid": "u"}}
    template = {"metadata": {"labels": {"app": "x", "pod-template-hash": "h"}}, "spec": {"a": 1}}
    sets = [owned("ReplicaSet", number, spec={"template": template}) for number in (10, 9)]
    history = deployment_history(workload, [*sets, owned("ReplicaSet", 3, uid="other")])
    assert [revision.number for revision in history] == [9, 10]
    assert history[0].patch[0]["value"] == {"metadata": {"labels": {"app": "x"}}, "spec": {"a": 1}}
    revisions = [owned("ControllerRevision", n, revision=n, data={"spec": {"n": n}}) for n in (2, 1)]
    assert [(r.number, r.patch) for r in controller_history(workload, revisions)] == [
        (1, {"spec": {"n": 1}}),
        (2, {"spec": {"n": 2}}),
    ]


@pytest.mark.parametrize(
    ("revision", "back", "expected"),
    [(2, None, 2), (None, 1, 2), (None, 2, 1), (None, 0, 5), (None, None, 2), (0, 1, 2)],
)
def test_a_revision_is_chosen_by_number_or_by_steps_back(revision: int | None, back: int | None, expected: int):
    history = [Revision(number, {}, "json") for number in (1, 2, 5)]
    assert choose_revision(history, revision, back).number == expected


@pytest.mark.parametrize(
    ("revision", "back", "says"),
    [
        (3, None, "There is no revision 3; the history has 1, 2."),
        (None, 2, r"There are 2 revision\(s\) in total, cannot rollback 2."),
    ],
)
def test_a_revision_that_is_not_there_is_said(revision: int | None, back: int | None, says: str):
    with pytest.raises(ValueError, match=says):
        choose_revision([Revision(number, {}, "json") for number in (1, 2)], revision, back)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"propagationPolicy": "Background"}),
        ({"cascading": "true"}, {"propagationPolicy": "Background"}),
        ({"cascading": True}, {"propagationPolicy": "Background"}),
        ({"cascading": "false"}, {"propagationPolicy": "Orphan"}),
        ({"cascading": False}, {"propagationPolicy": "Orphan"}),
        ({"cascading": "foreground"}, {"propagationPolicy": "Foreground"}),
        ({"orphanDependents": "true", "cascading": "true"}, {"propagationPolicy": "Orphan"}),
        ({"orphanDependents": False}, {"propagationPolicy": "Background"}),
        ({"gracePeriodSeconds": "5"}, {"propagationPolicy": "Background", "gracePeriodSeconds": 5}),
        ({"gracePeriodSeconds": "soon"}, {"propagationPolicy": "Background"}),
    ],
)
def test_options_of_a_deletion(options: dict[str, Any], expected: dict[str, Any]):
    assert DeleteOptions.model_validate(options).to_kubernetes() == expected


def test_old_versions_beyond_the_history_are_surplus():
    keep = {"strategy.spinnaker.io/max-version-history": "2"}
    versions = [live(f"v00{n}", f"2026-01-0{9 - n}T00:00:00Z", **keep) for n in range(4)]
    names = [item["metadata"]["name"] for item in surplus(versions, versions[3], "a")]
    assert names == ["shop-v003", "shop-v002"]
    assert surplus(versions, live("v003", "t"), "a") == []
    assert surplus([*versions[:2], live("v000", "t", name="other")], versions[0], "a") == []
