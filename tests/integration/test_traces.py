"""One webhook is one trace and one request id, through all services, stored work and workers, to the Kubernetes API."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from gennaker.embedded.process import free_port
from gennaker.platform import Configuration, Platform, Ports
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from testcluster import ClusterAccess

pytestmark = pytest.mark.timeout(180)
Json = dict[str, Any]
REQUEST_ID = "ci-delivery-4711"
PROBES_PORT = free_port()


@dataclass(frozen=True)
class SpanSeen:
    """One span, as the receiver got it."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: Json


@dataclass
class Collector:
    """A real OTLP/HTTP receiver."""

    url: str = ""
    spans: list[SpanSeen] = field(default_factory=list)

    def receive(self, content: bytes) -> None:
        """Take an export request in."""
        request = ExportTraceServiceRequest()
        request.ParseFromString(content)
        for of_service in request.resource_spans:
            resource = {each.key: each.value.string_value for each in of_service.resource.attributes}
            for scope in of_service.scope_spans:
                for span in scope.spans:
                    values = {each.key: each.value.string_value or each.value.int_value for each in span.attributes}
                    ids = span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()
                    self.spans.append(SpanSeen(resource["service.name"], span.name, *ids, values))

    def trace(self, trace_id: str) -> list[SpanSeen]:
        """Give the spans of a trace."""
        return [span for span in list(self.spans) if span.trace_id == trace_id]

    def find(self, service: str, name: str, **attributes: Any) -> list[SpanSeen]:
        """Find spans of a service by name and attributes (dots written as `__`)."""
        wanted = {key.replace("__", "."): value for key, value in attributes.items()}
        return [
            span
            for span in list(self.spans)
            if span.service == service and span.name == name and wanted.items() <= span.attributes.items()
        ]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    seen = Collector()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            seen.receive(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield seen
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def traced(
    collector: Collector, cluster: ClusterAccess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    home = tmp_path_factory.mktemp("traced")
    overrides = {
        "kubernetes": {"accounts": [{"name": "sandbox", "kubeconfigFile": str(cluster.kubeconfig)}]},
        "telemetry": {"endpoint": collector.url},
        "logging": {"level": "debug"},
        "probes": {"port": PROBES_PORT},
    }
    with Platform(home, configuration=Configuration(overrides=overrides), ports=Ports.free()) as running:
        yield running


@pytest.fixture
def client(traced: Platform) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=traced.gate_url, timeout=30) as made:
        yield made


def deploying(application: str, namespace: str) -> Json:
    return {
        "application": application,
        "name": "traced",
        "triggers": [{"type": "webhook", "source": application, "enabled": True}],
        "stages": [
            {"refId": "1", "type": "wait", "name": "Wait", "waitTime": 1, "requisiteStageRefIds": []},
            {
                "refId": "2",
                "type": "deployManifest",
                "name": "Deploy",
                "account": "sandbox",
                "cloudProvider": "kubernetes",
                "source": "text",
                "moniker": {"app": application},
                "manifests": [
                    {
                        "apiVersion": "v1",
                        "kind": "ConfigMap",
                        "metadata": {"name": "traced", "namespace": namespace},
                        "data": {"a": "b"},
                    }
                ],
                "requisiteStageRefIds": ["1"],
            },
        ],
    }


def ended(client: httpx.Client, application: str) -> Json | None:
    found = client.get(f"/applications/{application}/pipelines").json()
    return found[0] if found and found[0]["status"] not in ("NOT_STARTED", "RUNNING") else None


def log_lines(platform: Platform, *files: Path) -> list[Json]:
    lines = [line for file in files for line in file.read_text().splitlines() if line.startswith("{")]
    return [json.loads(line) for line in lines]


def test_a_webhook_is_one_trace_and_one_request_id_from_gate_to_the_kubernetes_api(
    traced: Platform,
    collector: Collector,
    client: httpx.Client,
    namespace: str,
    application: str,
    wait_until: Callable[..., Any],
):
    client.post("/pipelines", json=deploying(application, namespace)).raise_for_status()
    headers = {"X-SPINNAKER-REQUEST-ID": REQUEST_ID}

    def fire() -> Json | None:
        answer = client.post(f"/webhooks/webhook/{application}", params={"sync": "true"}, json={}, headers=headers)
        assert answer.headers["X-SPINNAKER-REQUEST-ID"] == REQUEST_ID
        return answer.json() if answer.json()["matched"] else None

    wait_until(fire)  # echo hears of a saved pipeline a moment later
    execution = wait_until(lambda: ended(client, application), timeout=90)
    assert execution["status"] == "SUCCEEDED", execution
    assert execution["origin"] == "api"
    assert "trail" not in execution
    assert REQUEST_ID not in json.dumps(execution)

    def webhook() -> list[SpanSeen]:
        posted = collector.find("gate", "POST /webhooks/{type}/{source}", url__path=f"/webhooks/webhook/{application}")
        return [
            span for span in posted if any(each.name == "start execution" for each in collector.trace(span.trace_id))
        ]

    [root] = wait_until(webhook)
    assert root.parent_id == ""

    def applied() -> list[SpanSeen]:
        calls = [span for span in collector.trace(root.trace_id) if span.name == "PATCH kubernetes"]
        return [span for span in calls if f"/namespaces/{namespace}/configmaps/" in span.attributes["url.path"]]

    [call] = wait_until(applied)
    wait_until(lambda: chain_to(root, call, collector))
    assert [(span.service, span.name) for span in chain_to(root, call, collector)] == [
        ("gate", "POST /webhooks/{type}/{source}"),
        ("gate", "POST echo"),
        ("echo", "POST /webhooks/{type}/{source}"),
        ("echo", "start execution"),
        ("echo", "POST orca"),
        ("orca", "POST /orchestrate"),
        ("orca", "deployManifest deployManifest"),
        ("orca", "POST clouddriver"),
        ("clouddriver", "POST /{provider}/ops"),
        ("clouddriver", "operation deployManifest"),
        ("clouddriver", "PATCH kubernetes"),
    ]
    [task] = [span for span in collector.trace(root.trace_id) if span.name == "deployManifest deployManifest"]
    assert task.attributes["gennaker.execution.id"] == execution["id"]
    assert task.attributes["gennaker.stage.name"] == "Deploy"
    assert {"match triggers", "advance"} <= {span.name for span in collector.trace(root.trace_id)}

    logs = traced.home.logs
    of_apis = [line for line in log_lines(traced, logs / "apis.log") if line.get("request_id") == REQUEST_ID]
    of_worker = [line for line in log_lines(traced, logs / "worker.log") if line.get("request_id") == REQUEST_ID]
    served = {line["service"] for line in of_apis if line["event"] == "request"}
    assert served >= {"gate", "echo", "orca", "clouddriver"}
    assert "start.accepted" in {line["event"] for line in of_apis}
    done = {line["event"]: line["execution"] for line in of_worker}
    assert done["execution.completed"] == done["operation.ended"] == execution["id"]


def test_the_worker_tells_its_metrics_and_its_health(traced: Platform, wait_until: Callable[..., Any]):
    with httpx.Client(base_url=f"http://127.0.0.1:{PROBES_PORT}") as worker:
        assert "orca_io_tasks_total" in worker.get("/metrics").text
        wait_until(lambda: worker.get("/health").status_code == 200)


def chain_to(root: SpanSeen, span: SpanSeen, collector: Collector) -> list[SpanSeen]:
    """Give the spans from the root to a span; none while one of them has not come yet."""
    by_id = {each.span_id: each for each in collector.trace(root.trace_id)}
    chain = [span]
    while chain[0].span_id != root.span_id:
        if chain[0].parent_id not in by_id:
            return []
        chain.insert(0, by_id[chain[0].parent_id])
    return chain
