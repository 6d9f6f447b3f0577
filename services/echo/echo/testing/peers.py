"""Peers of echo: an orca, a front50 and a receiver of notifications."""

import socket
import threading
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


def free_port() -> int:
    """Find a port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Peer:
    """A server that can be stopped and started again on its port. Requests are answered by `routes`."""

    def __init__(self) -> None:
        self.port = free_port()
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def routes(self) -> list[Route]:
        """Give what is served."""
        raise NotImplementedError

    def start(self) -> None:
        """Serve, on the same port each time; returns when connections are taken."""
        app = Starlette(routes=[*self.routes(), Route("/health/liveness", lambda _: JSONResponse({"status": "UP"}))])
        config = uvicorn.Config(app, host="127.0.0.1", port=self.port, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        connected = False
        while not connected:
            with socket.socket() as probe:
                connected = probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        """Be away."""
        if self._server and self._thread:
            self._server.should_exit = True
            self._server.force_exit = True
            self._thread.join(10)
            self._server = None


class OrcaPeer(Peer):
    """Takes executions. `refusal` is the status with which it refuses; `failed` is what `/fail` was told."""

    def __init__(self) -> None:
        super().__init__()
        self.executions: dict[str, dict[str, Any]] = {}
        self.posts = 0
        self.users: dict[str, str] = {}
        self.failed: list[dict[str, Any]] = []
        self.refusal: int | None = None
        self.deaf = 0

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """Give what the executions were started with."""
        return list(self.executions.values())

    def routes(self) -> list[Route]:
        """Give what is served."""

        async def orchestrate(request: Request) -> Response:
            body = await request.json()
            self.posts += 1
            if self.refusal:
                return JSONResponse({"message": "the pipeline is not right"}, status_code=self.refusal)
            id = body["executionId"]
            if id not in self.executions:
                self.executions[id] = body
                self.users[id] = request.headers.get("x-spinnaker-user", "")
            if self.deaf:
                self.deaf -= 1
                return JSONResponse({"message": "too late"}, status_code=504)
            return JSONResponse({"ref": f"/pipelines/{id}"})

        async def fail(request: Request) -> Response:
            self.failed.append(await request.json())
            return Response()

        async def get(request: Request) -> Response:
            found = self.executions.get(request.path_params["id"])
            return JSONResponse(found) if found else JSONResponse({"message": "not found"}, status_code=404)

        return [
            Route("/orchestrate", orchestrate, methods=["POST"]),
            Route("/fail", fail, methods=["POST"]),
            Route("/pipelines/{id}", get),
        ]


class Front50Peer(Peer):
    """Has pipelines and applications' notifications."""

    def __init__(self) -> None:
        super().__init__()
        self.pipelines: dict[str, dict[str, Any]] = {}
        self.notifications: dict[str, Any] = {}
        self._clock = 1_700_000_000_000

    def save(self, body: dict[str, Any]) -> dict[str, Any]:
        """Save a pipeline, as its next version."""
        self._clock += 1
        self.pipelines[body["id"]] = body | {"updateTs": str(self._clock)}
        return body

    def routes(self) -> list[Route]:
        """Give what is served."""

        def answer(found: dict[str, Any] | None) -> Response:
            return JSONResponse(found) if found else JSONResponse({"message": "not found"}, status_code=404)

        async def everything(_: Request) -> Response:
            return JSONResponse(list(self.pipelines.values()))

        async def by_id(request: Request) -> Response:
            return answer(self.pipelines.get(request.path_params["id"]))

        async def by_name(request: Request) -> Response:
            wanted = (request.path_params["application"].lower(), request.path_params["name"].lower())
            found = (p for p in self.pipelines.values() if (p["application"].lower(), p["name"].lower()) == wanted)
            return answer(next(found, None))

        async def notifications(request: Request) -> Response:
            return JSONResponse(self.notifications.get(request.path_params["application"], {}))

        return [
            Route("/pipelines", everything),
            Route("/pipelines/{id}/get", by_id),
            Route("/pipelines/{application}/name/{name:path}", by_name),
            Route("/notifications/application/{application}", notifications),
        ]


class Receiver(Peer):
    """Takes notifications; answers `statuses` in turn, then 200."""

    def __init__(self) -> None:
        super().__init__()
        self.received: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        """Give the address to post to."""
        return f"http://127.0.0.1:{self.port}/hook"

    def routes(self) -> list[Route]:
        """Give what is served."""

        async def hook(request: Request) -> Response:
            self.received.append((dict(request.headers), await request.json()))
            return Response(status_code=self.statuses.pop(0) if self.statuses else 200)

        return [Route("/hook", hook, methods=["POST"])]
