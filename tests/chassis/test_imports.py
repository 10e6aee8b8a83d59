"""What a process of a service imports: each library costs every such process memory."""

import subprocess
import sys

import pytest

from devstack.repository import REPOSITORY, SERVICES

UNUSED = ["alembic", "opentelemetry.sdk", "pyvips", "sentry_sdk"]


@pytest.mark.parametrize("process", ["api", "worker"])
def test_a_process_does_not_import_what_only_others_use(process: str) -> None:
    modules = ["chassis.process.server", "gateway.main"]
    modules += [f"services.{name}.{process}_process" for name in SERVICES]
    unused = list(UNUSED)
    if process == "worker":
        unused += [f"services.{name}.api" for name in SERVICES]
    program = (
        f"import sys, {', '.join(modules)}\n"
        f"print([name for name in {unused} if name in sys.modules])\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'libs'}"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.strip() == "[]"
