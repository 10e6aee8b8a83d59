"""Which environment variables turn traces on. Spans from end to end: tests/operations."""

import os
import subprocess
import sys

import pytest

from chassis.observability import tracing

ADDRESS = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        (ADDRESS, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({**ADDRESS, "OTEL_TRACES_EXPORTER": "none"}, False),
        ({**ADDRESS, "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_traces_are_on_if_a_collector_is_configured(
    variables: dict[str, str], expected: bool
) -> None:
    assert tracing.is_configured(variables) == expected


@pytest.mark.parametrize(
    "variables",
    [
        {"OTEL_TRACES_EXPORTER": "jaeger"},
        {**ADDRESS, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
    ],
)
def test_an_unsupported_exporter_or_protocol_is_refused_by_name(variables: dict[str, str]) -> None:
    with pytest.raises(tracing.BadTraceSettings, match="OTEL_"):
        tracing.is_configured(variables)


def test_a_process_without_traces_does_not_import_the_sdk() -> None:
    program = (
        "import sys; from chassis.observability import tracing; from chassis.process import app;"
        " tracing.configure('probe', 'api');"
        " sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("OTEL_")
    }

    process = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )

    assert process.returncode == 0
