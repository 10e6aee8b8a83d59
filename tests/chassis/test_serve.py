"""A process that is told to stop leaves nobody with a connection that ends under a request."""

import asyncio
import signal
import sys
from pathlib import Path

import httpx

APPLICATION = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"served"})

def create_app():
    return app
"""


async def test_who_has_an_idle_connection_is_served_once_more_and_told_to_leave(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    (tmp_path / "served.py").write_text(APPLICATION)
    libs = Path(__file__).parents[2] / "libs"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chassis.serve", "served:create_app"),
        *("--port", str(unused_tcp_port)),
        env={"PYTHONPATH": f"{tmp_path}:{libs}"},
    )
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    async with httpx.AsyncClient() as http:
        while True:
            try:
                before = await http.get(url)
            except httpx.ConnectError:
                continue
            break
        process.send_signal(signal.SIGTERM)
        told = before
        while "connection" not in told.headers:
            told = await http.get(url)

    assert "connection" not in before.headers
    assert (told.status_code, told.text, told.headers["connection"]) == (200, "served", "close")
    assert await process.wait() in (0, -signal.SIGTERM)
