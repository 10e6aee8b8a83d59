"""Each alert fires above its threshold only; alerts and panels link to runbooks."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from devstack.repository import REPOSITORY

from . import expressions
from .prometheus import Prometheus

TESTS = Path(__file__).with_name("alerts.yml")
RUNBOOKS = REPOSITORY / "docs/runbooks"


def _promtool(programs: Prometheus, *arguments: object) -> None:
    result = subprocess.run(
        [programs.tool, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_prometheus_accepts_the_configuration_and_its_rules(programs: Prometheus) -> None:
    _promtool(programs, "check", "config", expressions.CONFIGURATION)


@pytest.mark.slow
def test_each_alert_fires_beyond_its_threshold_and_not_before(programs: Prometheus) -> None:
    _promtool(programs, "test", "rules", TESTS)


def test_every_alert_is_tested_both_ways() -> None:
    tested: dict[str, set[bool]] = {alert["alert"]: set() for alert in expressions.alerts()}

    for case in yaml.safe_load(TESTS.read_text())["tests"]:
        for evaluation in case["promql_expr_test"]:
            for name, fired in tested.items():
                if f'"{name}"' in evaluation["expr"]:
                    fired.add(bool(evaluation["exp_samples"]))

    assert {name for name, fired in tested.items() if fired != {True, False}} == set()


def test_each_alert_has_a_severity_and_a_runbook() -> None:
    for alert in expressions.alerts():
        assert alert["labels"]["severity"] in ("critical", "warning"), alert
        assert {"summary", "description", "runbook_url"} == alert["annotations"].keys()
        page = REPOSITORY / alert["annotations"]["runbook_url"]
        assert page.parent == RUNBOOKS
        assert alert["alert"] in page.read_text(), f"{page} does not mention {alert['alert']}"


def test_each_panel_has_a_description_and_links_to_existing_runbooks() -> None:
    for name, board in expressions.boards().items():
        for panel in expressions.panels(board):
            assert panel["description"], (name, panel["title"])
            assert panel["fieldConfig"]["defaults"]["unit"], (name, panel["title"])
            for link in panel["links"]:
                assert (RUNBOOKS / Path(link["url"]).name).exists(), (name, link)


def test_each_emphasised_name_in_a_runbook_is_that_of_a_panel_a_row_or_an_alert() -> None:
    names = {alert["alert"] for alert in expressions.alerts()}
    for board in expressions.boards().values():
        # A runbook writes *Statement time* for the panels "Statement time, median" and so on.
        names |= {panel["title"].split(", ")[0] for panel in board["panels"]}
        names |= {panel["title"] for panel in board["panels"]}

    for page in RUNBOOKS.glob("*.md"):
        emphasised = re.findall(r"(?<!\*)\*([A-Z][^*]+)\*(?!\*)", page.read_text())
        assert set(emphasised) <= names, page.name
