"""Runs a Prometheus with the real configuration, which scrapes the system of the tests."""

import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from devstack import port_numbers
from devstack.instance import Instance
from tests.waiting import PATIENCE_SECONDS, eventually

from . import expressions
from .prometheus import Prometheus

_PORT = 90
"""The offset from the instance's first port."""

_EXPORTERS = ("node", "certificate")


class Scraping:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def query(self, expression: str) -> list[Any]:
        response = await self._http.get("/api/v1/query", params={"query": expression})
        assert response.status_code == 200, f"{expression}: {response.text}"
        result: list[Any] = response.json()["data"]["result"]
        return result

    async def metrics(self) -> set[str]:
        """The names of all metrics that a target declares, also those without samples."""
        response = await self._http.get("/api/v1/metadata")
        return set(response.json()["data"])

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
    address = f"127.0.0.1:{stack.port_of(_PORT)}"
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
    """The real configuration, with static targets instead of DNS and an interval of 1 s."""
    configuration: dict[str, Any] = yaml.safe_load(expressions.CONFIGURATION.read_text())
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    configuration["rule_files"] = [str(expressions.RULES / "*.yml")]
    del configuration["alerting"]
    scraped = [job for job in configuration["scrape_configs"] if job["job_name"] not in _EXPORTERS]
    for job in scraped:
        job["static_configs"] = [
            {"targets": _addresses(stack, name), "labels": {"__meta_dns_name": name}}
            for discovery in job.pop("dns_sd_configs")
            for name in discovery["names"]
        ]
    configuration["scrape_configs"] = scraped
    return configuration


def _addresses(stack: Instance, name: str) -> list[str]:
    if name == "rabbitmq":
        return [f"127.0.0.1:{stack.port_of(port_numbers.PROMETHEUS)}"]
    service, _, role = name.partition("-")
    urls = {
        "": lambda: [stack.url("gateway") or ""],
        "api": lambda: stack.api_urls(service),
        "worker": lambda: [stack.worker_url(service)],
        "stream": stack.stream_urls,
    }[role]()
    return [httpx.URL(url).netloc.decode() for url in urls]
