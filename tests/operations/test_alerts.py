"""Each alert fires and keeps silent as it should; alerts and panels say what to do."""

import subprocess
from pathlib import Path

import yaml

from deploy.local.places import REPOSITORY
from deploy.local.prometheus import Prometheus

from . import expressions

TESTS = Path(__file__).with_name("alerts.yml")
RUNBOOKS = REPOSITORY / "docs/runbooks"


def _promtool(programs: Prometheus, *arguments: object) -> None:
    ran = subprocess.run(
        [programs.tool, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_prometheus_takes_the_configuration_and_its_rules(programs: Prometheus) -> None:
    _promtool(programs, "check", "config", expressions.CONFIGURATION)


def test_each_alert_fires_beyond_its_threshold_and_not_before(programs: Prometheus) -> None:
    _promtool(programs, "test", "rules", TESTS)


def test_no_alert_goes_untried() -> None:
    tried: dict[str, set[bool]] = {alert["alert"]: set() for alert in expressions.alerts()}

    for case in yaml.safe_load(TESTS.read_text())["tests"]:
        for question in case["promql_expr_test"]:
            for name, fired in tried.items():
                if f'"{name}"' in question["expr"]:
                    fired.add(bool(question["exp_samples"]))

    assert {name for name, fired in tried.items() if fired != {True, False}} == set()


def test_each_alert_says_how_bad_it_is_and_where_to_read_what_to_do() -> None:
    for alert in expressions.alerts():
        assert alert["labels"]["severity"] in ("critical", "warning"), alert
        assert {"summary", "description", "runbook_url"} == alert["annotations"].keys()
        page = REPOSITORY / alert["annotations"]["runbook_url"]
        assert page.parent == RUNBOOKS
        assert alert["alert"] in page.read_text(), f"{page} does not speak of {alert['alert']}"


def test_each_panel_explains_itself_and_its_links_lead_to_a_page() -> None:
    for name, board in expressions.boards().items():
        for panel in expressions.panels(board):
            assert panel["description"], (name, panel["title"])
            assert panel["fieldConfig"]["defaults"]["unit"], (name, panel["title"])
            for link in panel["links"]:
                assert (RUNBOOKS / Path(link["url"]).name).exists(), (name, link)
