"""The audit of what others wrote: an advisory fails it, and data that are away are no good news."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from deploy.local.places import REPOSITORY
from deploy.supply import __main__ as command
from deploy.supply import audit

ADVISORY = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1"],
    "fix_versions": ["2.0"],
    "description": "It gives away what it is given.",
}
LOCKED = json.loads((REPOSITORY / "web" / "package-lock.json").read_text())["packages"]


def told(*packages: dict[str, object]) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


class Registry(BaseHTTPRequestHandler):
    """What npm asks for advisories."""

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
    class Own(Registry):
        pass

    server = HTTPServer(("127.0.0.1", 0), Own)
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/")
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield Own
    server.shutdown()
    serving.join()
    server.server_close()


def test_what_is_known_against_a_python_package_is_told() -> None:
    answer = told(
        {"name": "one", "version": "1.0", "vulns": [ADVISORY]},
        {"name": "two", "version": "1.0", "vulns": []},
    )

    made = audit.python_answer(answer, "Found 1 known vulnerability")

    assert (made.audited, made.missing) == (2, "")
    assert made.known == ("one 1.0: PYSEC-2026-1, mended in: 2.0",)


def test_what_is_accepted_is_known_by_any_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ACCEPTED", {"CVE-2026-1": "We give it nothing."})

    made = audit.python_answer(told({"name": "one", "version": "1.0", "vulns": [ADVISORY]}), "")

    assert made.known == ()


def test_a_package_of_which_nobody_knows_is_not_audited() -> None:
    answer = told(
        {"name": "one", "version": "1.0", "vulns": []},
        {"name": "two", "skip_reason": "Dependency not found on PyPI: two (1.0)"},
    )

    # The tool itself calls this "No known vulnerabilities found".
    made = audit.python_answer(answer, "No known vulnerabilities found")

    assert (made.audited, made.known) == (1, ())
    assert "two" in made.missing
    assert "NOT AUDITED" in str(made)


def test_a_network_that_is_away_fails_the_audit_and_lets_the_checks_go_on(
    monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "npm_config_https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_tcp_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    assert command.main(["audit"]) == 2
    assert capsys.readouterr().err.count("NOT AUDITED") == 2
    assert command.main(["audit", "--where-possible"]) == 0
    assert capsys.readouterr().err.count("NOT AUDITED") == 2


def test_what_is_known_against_a_package_of_the_page_is_told(registry: type[Registry]) -> None:
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

    made = audit.page_packages()

    assert made.missing == ""
    assert len(made.known) == 1
    assert "GHSA-aaaa-bbbb-cccc, Text becomes HTML (high)" in made.known[0]


def test_a_page_against_which_nothing_is_known_is_audited(registry: type[Registry]) -> None:
    registry.advisories = {}

    made = audit.page_packages()

    assert (made.known, made.missing) == ((), "")
    assert made.audited > 100


def test_a_registry_that_gives_no_advisories_leaves_the_page_unaudited(
    registry: type[Registry],
) -> None:
    made = audit.page_packages()

    assert made.audited == 0
    assert "405" in made.missing
