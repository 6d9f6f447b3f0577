"""Peers of echo: an orca, a front50 and a receiver of notifications."""

from typing import Any

from kork.testing.serving import Server
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route


class Peer:
    """A server that can be stopped and started again on its port. Requests are answered by `routes`."""

    def __init__(self) -> None:
        self._server = Server(self._app)
        self.port = self._server.port

    def routes(self) -> list[Route]:
        """Give what is served."""
        raise NotImplementedError

    def _app(self) -> Starlette:
        health = Route("/health/liveness", lambda _: JSONResponse({"status": "UP"}))
        return Starlette(routes=[*self.routes(), health])

    def start(self) -> None:
        """Serve, on the same port each time; returns when requests are taken."""
        self._server.start()

    def stop(self) -> None:
        """Be away."""
        self._server.stop()

    def close(self) -> None:
        """Stop for good."""
        self._server.close()


class OrcaPeer(Peer):
    """Takes executions. `refusal` is the status with which it refuses; `failed` is what `/fail` was told.

    `templates` says what each template adds to the pipelines that use it, by its reference, or an error's status.
    """

    def __init__(self) -> None:
        super().__init__()
        self.executions: dict[str, dict[str, Any]] = {}
        self.posts = 0
        self.users: dict[str, str] = {}
        self.failed: list[dict[str, Any]] = []
        self.refusal: int | None = None
        self.templates: dict[str, dict[str, Any] | int] = {}
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

        async def plan(request: Request) -> Response:
            body = await request.json()
            added = self.templates.get(body["template"]["reference"], 400)
            if isinstance(added, int):
                return JSONResponse({"message": "no plan"}, status_code=added)
            merged = {key: [*value, *body.get(key, [])] for key, value in added.items()}
            return JSONResponse({key: value for key, value in body.items() if key != "template"} | merged)

        return [
            Route("/v2/pipelineTemplates/plan", plan, methods=["POST"]),
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

        async def everything(request: Request) -> Response:
            since = int(request.query_params.get("updatedSince", 0))
            return JSONResponse([each for each in self.pipelines.values() if int(each["updateTs"]) >= since])

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
