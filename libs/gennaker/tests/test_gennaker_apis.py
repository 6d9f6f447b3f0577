"""The APIs of the platform on one event loop."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx2 as httpx
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from gennaker.platform.apis import serving


async def test_a_stream_without_an_end_gets_its_last_words_when_the_platform_stops():
    app, ending = FastAPI(), asyncio.Event()
    app.state.before_shutdown = ending.set

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def words() -> AsyncIterator[str]:
            yield "first\n"
            await ending.wait()
            yield "last\n"

        return StreamingResponse(words())

    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/stream"
    async with httpx.AsyncClient() as client:
        async with serving({"app": app}, {"app": listener}):
            response = await client.send(client.build_request("GET", url), stream=True)
            lines = response.aiter_lines()
            assert await anext(lines) == "first"
        assert [line async for line in lines] == ["last"]
