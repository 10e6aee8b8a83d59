"""A Prometheus with the real configuration; its targets are the processes of the tests' system."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from deploy.local import places
from deploy.local.instance import Instance
from deploy.local.prometheus import Prometheus
from tests.waiting import PATIENCE_SECONDS, eventually

from . import expressions

_PORT = 90
"""In the instance's block of a hundred."""

_EXPORTERS = ("node", "certificate")


class Scraping:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def ask(self, expression: str) -> list[Any]:
        answer = await self._http.get("/api/v1/query", params={"query": expression})
        assert answer.status_code == 200, f"{expression}: {answer.text}"
        result: list[Any] = answer.json()["data"]["result"]
        return result

    async def metrics(self) -> set[str]:
        """Names that a target speaks of, also those that nothing has happened to yet."""
        answer = await self._http.get("/api/v1/metadata")
        return set(answer.json()["data"])

    async def ready(self) -> bool:
        try:
            return (await self._http.get("/-/ready")).status_code == 200
        except httpx.TransportError:
            return False


@asynccontextmanager
async def scraping(programs: Prometheus, stack: Instance, folder: Path) -> AsyncIterator[Scraping]:
    configuration = folder / "prometheus.yml"
    # JSON is YAML.
    configuration.write_text(json.dumps(_configuration(stack)))
    address = f"127.0.0.1:{stack.offset(_PORT)}"
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [
                programs.server,
                f"--config.file={configuration}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(
            base_url=f"http://{address}", timeout=PATIENCE_SECONDS
        ) as http:
            server = Scraping(http)
            await eventually(server.ready)
            yield server
    finally:
        process.terminate()
        process.wait(20)


def _configuration(stack: Instance) -> dict[str, Any]:
    """As operators have it, but that names are looked up here and that a second is enough."""
    made: dict[str, Any] = yaml.safe_load(expressions.CONFIGURATION.read_text())
    made["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    made["rule_files"] = [str(expressions.RULES / "*.yml")]
    del made["alerting"]
    scraped = [job for job in made["scrape_configs"] if job["job_name"] not in _EXPORTERS]
    for job in scraped:
        job["static_configs"] = [
            {"targets": _addresses(stack, name), "labels": {"__meta_dns_name": name}}
            for discovery in job.pop("dns_sd_configs")
            for name in discovery["names"]
        ]
    made["scrape_configs"] = scraped
    return made


def _addresses(stack: Instance, name: str) -> list[str]:
    if name == "rabbitmq":
        return [f"127.0.0.1:{stack.offset(places.PROMETHEUS)}"]
    service, _, role = name.partition("-")
    urls = {
        "": lambda: [stack.url("gateway") or ""],
        "api": lambda: stack.api_urls(service),
        "worker": lambda: [stack.worker_url(service)],
    }[role]()
    return [httpx.URL(url).netloc.decode() for url in urls]
