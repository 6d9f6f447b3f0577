"""A server that speaks clouddriver's protocol, for tests of the stages that use it."""

from typing import Any

from kork.testing.peers import Reply, Request

DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "shop", "namespace": "staging"},
    "spec": {"template": {"spec": {"containers": [{"image": "registry/shop"}]}}},
}
STABLE = {"stable": {"state": True}, "failed": {"state": False}}
WAITING = {"stable": {"state": False, "message": "Waiting for all replicas to be updated"}, "failed": {"state": False}}
FAILED = {
    "stable": {"state": False},
    "failed": {"state": True, "message": "Deployment exceeded its progress deadline"},
}
IMAGE = {"type": "docker/image", "name": "registry/shop", "reference": "registry/shop:2"}
RESULT = {
    "manifestNamesByNamespace": {"staging": ["deployment shop"]},
    "manifests": [DEPLOYMENT],
    "createdArtifacts": [{"type": "kubernetes/deployment", "name": "shop", "reference": "shop"}],
    "boundArtifacts": [IMAGE],
}
SUCCEEDED = {
    "name": "once",
    "location": "staging",
    "jobState": "Succeeded",
    "completionDetails": {"exitCode": "", "signal": "", "message": "", "reason": ""},
    "pods": [{"name": "once-1", "status": {"phase": "Failed"}}, {"name": "once-2", "status": {"phase": "Succeeded"}}],
}
RUNNING = SUCCEEDED | {"jobState": "Running"}


class Clouddriver:
    """Answers operations, tasks, manifests, Jobs and fetched artifacts from what a test puts in.

    `statuses` and `jobs` are answered one after the other, the last one again and again; an int is an error status.
    """

    def __init__(self) -> None:
        self.operations: dict[str, dict[str, Any]] = {}
        self.results: dict[str, list[Any]] = {"deployManifest": [RESULT]}
        self.polls_until_done = 0
        self.failure: dict[str, Any] | None = None
        self.statuses: list[Any] = [STABLE]
        self.refusals: list[Reply] = []
        self.artifact = b""
        self.target: Any = None
        self.missing_polls = 0
        self.members: list[str] = []
        self.known: dict[str, Any] = {}
        self.jobs: list[Any] = [SUCCEEDED]
        self.properties: list[Reply] = [(200, {})]
        self.pod_properties: Reply = (200, {})
        self.deleted: list[str] = []

    def reply(self, request: Request) -> Reply:
        match request.path.strip("/").split("/"):
            case ["kubernetes", "ops"]:
                return self.refusals.pop(0) if self.refusals else self._operate(request)
            case ["task", id]:
                return self._task(id)
            case ["manifests", _, _, _, "cluster", _, _, "dynamic", _]:
                return (200, self.target) if self.target else (404, {"message": "Manifest not found"})
            case ["manifests", _, location, kind, "cluster", _, _]:
                return 200, [{"kind": kind, "namespace": location, "name": name} for name in self.members]
            case ["manifests", _, _, name] if name in self.known:
                known = self.known[name]
                return (known, {"message": "not here"}) if isinstance(known, int) else (200, known)
            case ["manifests", account, location, name]:
                status = _next(self.statuses)
                if isinstance(status, int):
                    return status, {"message": "not now"}
                return 200, {"account": account, "location": location, "name": name, "status": status}
            case ["artifacts", "fetch"]:
                return 200, self.artifact
            case ["applications", _, "jobs", _, _, name] if request.method == "DELETE":
                self.deleted.append(name)
                return 200, None
            case ["applications", _, "jobs", _, _, name]:
                status = _next(self.jobs)
                return (status, {"message": f"no {name}"}) if isinstance(status, int) else (200, status)
            case ["applications", _, "jobs", _, _, _, _]:
                return _next(self.properties)
            case ["applications", _, "kubernetes", "pods", *_]:
                return self.pod_properties
            case _:
                return 404, {"message": f"nothing at {request.path}"}

    def _operate(self, request: Request) -> Reply:
        [[operation, description]] = [next(iter(each.items())) for each in request.json]
        key = request.query["clientRequestId"]
        known = self.operations.setdefault(
            key, {"id": f"task-{len(self.operations) + 1}", "operation": operation, "polls": 0}
        )
        known["description"] = description
        return 200, {"id": known["id"], "resourceUri": f"/task/{known['id']}"}

    def _task(self, id: str) -> Reply:
        if self.missing_polls:
            self.missing_polls -= 1
            return 404, {"message": f"Task not found (id: {id})"}
        known = next(each for each in self.operations.values() if each["id"] == id)
        known["polls"] += 1
        done = known["polls"] > self.polls_until_done
        failed = done and self.failure is not None
        results = [self.failure] if failed else self.results.get(known["operation"], []) if done else []
        return 200, {
            "id": id,
            "status": {"completed": done, "failed": failed, "retryable": False, "status": "…"},
            "history": [{"phase": "ORCHESTRATION", "status": "Initializing Orchestration Task"}],
            "resultObjects": results,
        }

    def sent(self, operation: str) -> list[dict[str, Any]]:
        return [each["description"] for each in self.operations.values() if each["operation"] == operation]


def _next(answers: list[Any]) -> Any:
    return answers.pop(0) if len(answers) > 1 else answers[0]
