"""A new Python process with the repository's modules: it has imported nothing yet."""

import subprocess
import sys

from devstack.repository import PYTHON_PATH, REPOSITORY


def output_of(program: str) -> str:
    """What the program prints. Raises subprocess.CalledProcessError."""
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={"PYTHONPATH": PYTHON_PATH},
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout
