"""Traces are wanted only by the standard variables. Spans from end to end: tests/operations."""

import os
import subprocess
import sys

import pytest

from chassis import traces

ADDRESS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, False),
        (ADDRESS, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({**ADDRESS, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ADDRESS, "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_are_wanted_where_a_collector_is_named(
    variables: dict[str, str], wanted: bool
) -> None:
    assert traces.wanted(variables) == wanted


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "jaeger"},
        {**ADDRESS, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_a_way_that_is_not_there_is_refused_by_name(variables: dict[str, str]) -> None:
    with pytest.raises(traces.BadTraceSettings, match="OTEL_"):
        traces.wanted(variables)


def test_who_wants_no_traces_does_not_load_what_makes_them() -> None:
    program = (
        "import sys; from chassis import app, traces; traces.configure('probe', 'api');"
        " sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}

    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**plain, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert ran.returncode == 0
