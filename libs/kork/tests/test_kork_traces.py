"""Trails go with work through headers, stored documents and threads; traces cost nothing when they are off."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kork.trail import Trail, current_trail, follow, trail_headers
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_trail_comes_back_from_its_document_and_from_its_headers():
    trail = Trail("request", "execution", "deck")
    assert Trail.of_document(trail.document()) == trail
    with follow(trail):
        assert current_trail() == trail
        assert Trail.of_headers(trail_headers()) == trail
    assert current_trail() == Trail()
    assert Trail().document() is None
    assert Trail.of_document(None) == Trail()


def test_work_of_an_execution_is_known_by_the_execution_where_no_request_is():
    assert Trail().to("e") == Trail("e", "e")
    assert Trail("r").to("e") == Trail("r", "e")


@pytest.mark.parametrize("told", ["", "é", "a\nb", "x" * 201])
def test_what_could_not_be_sent_on_is_not_taken_in(told: str):
    assert Trail.of_headers({"X-SPINNAKER-REQUEST-ID": told}).request_id == ""


async def test_a_thread_that_works_for_a_coroutine_follows_its_trail():
    with follow(Trail("r", "e")):
        assert await asyncio.to_thread(current_trail) == Trail("r", "e")


def run(program: str, endpoint: str | None) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own: tracing is configured once per process."""
    start = (
        "import sys\n"
        "from kork.settings import TelemetrySettings\n"
        "from kork.tracing import configure_tracing, end_tracing, span\n"
        "from kork.trail import Trail, current_trail, follow, trail_headers\n"
        f"configure_tracing('tests', TelemetrySettings(endpoint={endpoint!r}))\n"
    )
    command = [sys.executable, "-c", start + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def test_log_lines_name_the_request_and_the_execution():
    done = run(
        "from kork.settings import LoggingSettings\n"
        "from kork.telemetry import configure_logging, log\n"
        "configure_logging(LoggingSettings())\n"
        "with follow(Trail('r', 'e')):\n"
        "    log('tests').info('thing.happened')\n"
        "    log('tests').info('thing.happened', execution='other')\n"
        "log('tests').info('thing.happened')\n",
        None,
    )
    first, second, third = [json.loads(line) for line in done.stderr.splitlines()]
    assert (first["request_id"], first["execution"]) == ("r", "e")
    assert second["execution"] == "other"
    assert not {"request_id", "execution"} & third.keys()


def test_without_an_endpoint_nothing_is_imported_and_no_span_is_made():
    done = run(
        "import kork.app, kork.http\n"
        "with follow(Trail('r')), span('a') as first, span('b') as second:\n"
        "    print(first is second, 'traceparent' in trail_headers(), 'opentelemetry.sdk' in sys.modules)\n"
        "end_tracing()\n",
        None,
    )
    assert done.stdout == "True False False\n"


def test_an_endpoint_that_is_away_neither_breaks_nor_holds_up_the_work():
    done = run(
        "import time\n"
        "began = time.monotonic()\n"
        "for _ in range(5000):\n"
        "    with span('a'):\n"
        "        pass\n"
        "end_tracing()\n"
        "print(time.monotonic() - began < 20)\n",
        "http://127.0.0.1:9",
    )
    assert done.stdout == "True\n"


@pytest.fixture
def exported() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """Serve as an OTLP receiver; gives its address and what it got."""
    requests: list[ExportTraceServiceRequest] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            requests.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", requests
    server.shutdown()
    server.server_close()
    thread.join()


def test_stored_work_goes_on_with_its_trace_as_its_own_service_and_the_end_sends_the_last_spans(
    exported: tuple[str, list[ExportTraceServiceRequest]],
):
    endpoint, requests = exported
    run(
        f"with follow(Trail('r', traceparent={TRACEPARENT!r}), service='echo'), span('keep'):\n"
        "    stored = current_trail().document()\n"
        "with follow(Trail.of_document(stored), service='orca'), span('do', {'n': 1}):\n"
        "    pass\n"
        "end_tracing()\n",
        endpoint,
    )
    resources = [each for request in requests for each in request.resource_spans]
    found = {
        span.name: (attribute.value.string_value, span)
        for resource in resources
        for attribute in resource.resource.attributes
        if attribute.key == "service.name"
        for scope in resource.scope_spans
        for span in scope.spans
    }
    (first_service, first), (second_service, second) = found["keep"], found["do"]
    assert (first_service, second_service) == ("echo", "orca")
    assert first.trace_id.hex() == second.trace_id.hex() == TRACEPARENT.split("-")[1]
    assert first.parent_span_id.hex() == TRACEPARENT.split("-")[2]
    assert second.parent_span_id == first.span_id
