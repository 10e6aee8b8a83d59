"""Renders bench/RESULTS.md and the figures of the README from results.json alone."""

import json
from pathlib import Path

from devstack.repository import REPOSITORY

from . import readme
from .sections import SECTIONS, max_generator_share, targets_table, warnings
from .targets import Results

BENCH = REPOSITORY / "bench"
RESULTS = BENCH / "results.json"
REPORT = BENCH / "RESULTS.md"

_HEAD = """# What it costs

Written by `make bench`. The unit of CPU time is *hello*: what a minimal FastAPI application under
plain uvicorn needs to respond `{"result": true}`. It runs in two processes, as many as a read of
Warble passes through, and is measured right before and after each figure. CPU time is that of all
processes involved, as the operating system counts it. Figures are medians of several rounds.

"""


def write(results: Results, *, publish: bool, trial_folder: Path) -> Path:
    """Writes results.json and the report; returns their folder.

    Only a full run is published. Others go to `trial_folder` and leave the README unchanged.
    """
    folder = BENCH if publish else trial_folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (folder / REPORT.name).write_text(rendered(results))
    if publish:
        readme.PAGE.write_text(readme.with_figures(readme.PAGE.read_text(), results))
    return folder


def rendered(results: Results) -> str:
    """The text of RESULTS.md."""
    machine = "".join(f"- {name}: {value}\n" for name, value in results["machine"].items())
    doubts = "".join(f"- {sentence}\n" for sentence in warnings(results)) or "None.\n"
    text = (
        _HEAD
        + machine
        + f"- load generator: at most {max_generator_share(results):.0%} of one processor\n"
        + f"\n## Targets\n\n{targets_table(results)}\n## Warnings\n\n{doubts}"
    )
    for title, section in SECTIONS.items():
        if body := section(results):
            text += f"\n## {title}\n\n{body}"
    return text.rstrip() + "\n"


def drift() -> list[str]:
    """The files that differ from what results.json gives."""
    results = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    stale = []
    if results and REPORT.read_text() != rendered(results):
        stale.append("bench/RESULTS.md")
    page = readme.PAGE.read_text()
    return [*stale, *([] if readme.with_figures(page, results) == page else ["README.md"])]
