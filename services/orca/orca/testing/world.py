"""All that orca calls, in one server that remembers what was asked for and by which key; and pipelines that call it."""

import random
import threading
from collections import Counter
from typing import Any

from kork.testing.peers import Reply, Request

CHILD = "child-of-crashes"

Json = dict[str, Any]


class World:
    """Answers as front50, as clouddriver and as the addresses of webhooks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._operations: dict[str, Json] = {}
        self._polls: Counter[str] = Counter()
        # (execution, stage) → the keys under which its effect was asked for
        self.keys: dict[tuple[str, str], set[str]] = {}

    def reply(self, request: Request) -> Reply:
        """Answer a request."""
        with self._lock:
            match request.path.strip("/").split("/"):
                case ["pipelines", id, "get"]:
                    return 200, _child(id)
                case ["kubernetes", "ops"]:
                    return 200, self._submitted(request)
                case ["task", id]:
                    return 200, self._task(id)
                case ["manifests", *_]:
                    state = {"stable": {"state": True}, "failed": {"state": False}}
                    return 200, {"status": state, "manifest": {}, "account": "k8s"}
                case ["hook", execution, stage, "status"]:
                    self._polls[execution + stage] += 1
                    return 200, {"state": "done" if self._polls[execution + stage] > 1 else "running"}
                case ["hook", execution, stage]:
                    self._note(execution, stage, request.headers.get("idempotency-key", ""))
                    return 200, {"told": stage}
                case ["refuse", execution, stage]:
                    self._note(execution, stage, request.headers.get("idempotency-key", ""))
                    return 400, {"message": "no"}
                case _:
                    return 404, {"message": f"nothing at {request.path}"}

    def _note(self, execution: str, stage: str, key: str) -> None:
        self.keys.setdefault((execution, stage), set()).add(key)

    def _submitted(self, request: Request) -> Json:
        key = request.query["clientRequestId"]
        [[(name, description)]] = [list(each.items()) for each in request.json]
        self._note(request.headers["x-spinnaker-execution-id"], f"{description['mark']} {name}", key)
        self._operations.setdefault(key, {"id": f"operation-{len(self._operations)}", "name": name, **description})
        id = self._operations[key]["id"]
        return {"id": id, "resourceUri": f"/task/{id}"}

    def _task(self, id: str) -> Json:
        operation = next(each for each in self._operations.values() if each["id"] == id)
        self._polls[id] += 1
        done = self._polls[id] > 1
        manifests = operation.get("manifests") or []
        names = {"here": [f"configMap {each['metadata']['name']}" for each in manifests]}
        result = {"manifests": manifests, "manifestNamesByNamespace": names, "createdArtifacts": []}
        status = {"completed": done, "failed": False, "status": "told", "phase": "p"}
        return {"id": id, "status": status, "history": [], "resultObjects": [result] if done else []}


def _child(id: str) -> Json:
    stages = [
        {"refId": "1", "type": "webhook", "name": "call", "url": "", "requisiteStageRefIds": []},
        {"refId": "2", "type": "evaluateVariables", "name": "v", "requisiteStageRefIds": ["1"]},
    ]
    stages[0]["url"] = "${ parameters.world }/hook/${ execution.id }/child"
    stages[1]["variables"] = [{"key": "ofTheChild", "value": "${ parameters.mark }"}]
    return {"id": id, "name": "child", "application": "crashes", "spelEvaluator": "v4", "stages": stages}


def random_pipeline(seed: int, world: str) -> Json:
    """Make a pipeline of two to five stages, some of which fail in ways that leave no race for the outcome."""
    chance = random.Random(f"pipeline {seed}")
    stages: list[Json] = []
    for number in range(1, chance.randint(2, 5) + 1):
        earlier = [stage["refId"] for stage in stages]
        requisites = chance.sample(earlier, k=min(len(earlier), chance.choice([0, 1, 1, 1, 2])))
        stage = {"refId": str(number), "name": f"stage {number}", "requisiteStageRefIds": sorted(requisites)}
        stages.append(stage | _random_stage(chance, f"s{number}", world))
    return {"application": "crashes", "name": f"seed {seed}", "spelEvaluator": "v4", "stages": stages}


def _random_stage(chance: random.Random, mark: str, world: str) -> Json:
    hook = f"{world}/hook/${{ execution.id }}/{mark}"
    on_failure = chance.choice([{"failPipeline": False}, {"failPipeline": False, "continuePipeline": True}])
    kinds: list[Json] = [
        {"type": "wait", "waitTime": chance.choice([0, 0.05])},
        {"type": "evaluateVariables", "variables": [{"key": mark, "value": "${ 1 + 1 }"}]},
        {"type": "checkPreconditions", "preconditions": [{"type": "expression", "context": {"expression": "1 == 1"}}]},
        {"type": "webhook", "url": hook},
        {"type": "webhook", "url": hook, "payload": {"mark": mark}},
        {"type": "webhook", "url": f"{world}/refuse/${{ execution.id }}/{mark}"} | on_failure,
        {"type": "manualJudgment", "judgmentStatus": "stop"} | on_failure,
        _watched(hook),
        _operation("rollingRestartManifest", mark, manifestName="deployment shop", location="here"),
        _operation("deleteManifest", mark, manifestName="deployment shop", location="here"),
        _deploy(mark),
        {"type": "pipeline", "pipeline": CHILD, "pipelineParameters": {"mark": mark, "world": world}},
    ]
    return chance.choice(kinds)


def _watched(hook: str) -> Json:
    path = {"statusUrlResolution": "webhookResponse", "statusUrlJsonPath": "$.none"}
    own = {"waitForCompletion": True, "statusJsonPath": "$.state", "successStatuses": "done", "monitorOnly": True}
    return {"type": "webhook", "url": f"{hook}/status", "method": "GET", **path, **own}


def _operation(kind: str, mark: str, **more: Any) -> Json:
    return {"type": kind, "account": "k8s", "cloudProvider": "kubernetes", "mark": mark, **more}


def _deploy(mark: str) -> Json:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": mark, "namespace": "here"}}
    return _operation("deployManifest", mark, source="text", moniker={"app": "crashes"}, manifests=[manifest])


def every_kind(world: str) -> Json:
    """Make a pipeline with each kind of call, one after the other."""
    hook = f"{world}/hook/${{ execution.id }}/called"
    stages: list[Json] = [
        {"type": "webhook", "url": hook},
        _deploy("deployed"),
        {"type": "pipeline", "pipeline": CHILD, "pipelineParameters": {"mark": "x", "world": world}},
    ]
    return {"application": "crashes", "name": "every kind", "spelEvaluator": "v4", "stages": stages}
