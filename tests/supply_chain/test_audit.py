"""The audit fails on an advisory, and a database that cannot be reached is not a success."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from devstack.repository import REPOSITORY
from tools.supply_chain import __main__ as command
from tools.supply_chain import audit

ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "fix_versions": ["2.0"],
    "description": "It leaks its input.",
}
LOCKED = json.loads((REPOSITORY / "web" / "package-lock.json").read_text())["packages"]


def pip_audit_report(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


class Registry(BaseHTTPRequestHandler):
    """The npm registry, which answers requests for advisories."""

    advisories: dict[str, object] | None = None

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(405 if self.advisories is None else 200)
        self.end_headers()
        self.wfile.write(json.dumps(self.advisories or {}).encode())

    def do_GET(self) -> None:
        self.send_error(404)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Registry]]:
    class OwnRegistry(Registry):
        pass

    server = HTTPServer(("127.0.0.1", 0), OwnRegistry)
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/")
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield OwnRegistry
    server.shutdown()
    serving.join()
    server.server_close()


def test_an_advisory_of_a_python_package_is_reported() -> None:
    answer = pip_audit_report(
        {"name": "one", "version": "1.0", "vulns": [ADVISORY]},
        {"name": "two", "version": "1.0", "vulns": []},
    )

    result = audit.parse_pip_audit(answer, "Found 1 known vulnerability")

    assert (result.audited, result.incomplete) == (2, "")
    assert result.advisories == ("one 1.0: PYSEC-2026-1, fixed in: 2.0",)


def test_a_package_that_the_database_does_not_know_is_not_audited() -> None:
    answer = pip_audit_report(
        {"name": "one", "version": "1.0", "vulns": []},
        {"name": "two", "skip_reason": "Dependency not found on PyPI: two (1.0)"},
    )

    # The tool itself calls this "No known vulnerabilities found".
    result = audit.parse_pip_audit(answer, "No known vulnerabilities found")

    assert (result.audited, result.advisories) == (1, ())
    assert "two" in result.incomplete
    assert "NOT AUDITED" in str(result)


def test_without_network_the_audit_fails_and_the_other_checks_continue(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "npm_config_https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert command.main(["audit"]) == 2
    assert capsys.readouterr().err.count("NOT AUDITED") == 3
    assert command.main(["audit", "--where-possible"]) == 0
    assert capsys.readouterr().err.count("NOT AUDITED") == 3


def test_an_advisory_of_a_package_of_the_page_is_reported(
    registry: type[Registry],
) -> None:
    registry.advisories = {
        "svelte": [
            {
                "id": 1,
                "url": "https://github.com/advisories/GHSA-aaaa-bbbb-cccc",
                "title": "Text becomes HTML",
                "severity": "high",
                "vulnerable_versions": f"<={LOCKED['node_modules/svelte']['version']}",
            }
        ]
    }

    result = audit.npm_packages()

    assert result.incomplete == ""
    assert len(result.advisories) == 1
    assert "GHSA-aaaa-bbbb-cccc, Text becomes HTML (high)" in result.advisories[0]


def test_a_registry_without_advisories_leaves_the_page_unaudited(
    registry: type[Registry],
) -> None:
    result = audit.npm_packages()

    assert result.audited == 0
    assert "405" in result.incomplete
