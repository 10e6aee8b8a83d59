"""Renders bench/RESULTS.md, its charts and the figures of the README from results.json alone."""

import json
from pathlib import Path

from devstack.repository import REPOSITORY

from . import readme
from .plots import PLOTS
from .sections import SECTIONS, max_generator_share, targets_table, warnings
from .targets import Found

BENCH = REPOSITORY / "bench"
RESULTS = BENCH / "results.json"

_HEAD = """# What it costs

Written by `make bench`. The unit of CPU time is *hello*: what a minimal FastAPI application under
plain uvicorn needs to respond `{"result": true}`. It runs in two processes, as many as a read of
Warble passes through, and is measured right before and after each figure. CPU time is that of all
processes involved, as the operating system counts it. Figures are medians of several rounds.

"""


def write(found: Found, *, publish: bool, trial_folder: Path) -> Path:
    """Writes results.json and the report; returns their folder.

    Only a full run is published. Others go to `trial_folder` and leave the README unchanged.
    """
    folder = BENCH if publish else trial_folder
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    for name, text in rendered(found).items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    if publish:
        readme.PAGE.write_text(readme.with_figures(readme.PAGE.read_text(), found))
    return folder


def rendered(found: Found) -> dict[str, str]:
    """The text of RESULTS.md and its charts, by path within the folder."""
    charts = {
        f"plots/{name}.svg": chart
        for name, plot in PLOTS.items()
        if (chart := plot(found)) is not None
    }
    machine = "".join(f"- {name}: {value}\n" for name, value in found["machine"].items())
    doubts = "".join(f"- {sentence}\n" for sentence in warnings(found)) or "None.\n"
    text = (
        _HEAD
        + machine
        + f"- load generator: at most {max_generator_share(found):.0%} of one processor\n"
        + f"\n## Targets\n\n{targets_table(found)}\n## Warnings\n\n{doubts}"
    )
    for title, (section, plots) in SECTIONS.items():
        body = section(found)
        if body:
            shown = "".join(
                f"![{title}](plots/{name}.svg)\n\n"
                for name in plots
                if f"plots/{name}.svg" in charts
            )
            text += f"\n## {title}\n\n{shown}{body}"
    return {"RESULTS.md": text.rstrip() + "\n", **charts}


def drift() -> list[str]:
    """The files that differ from what results.json gives."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    stale = []
    for name, text in (rendered(found) if found else {}).items():
        file = BENCH / name
        if not file.exists() or file.read_text() != text:
            stale.append(f"bench/{name}")
    page = readme.PAGE.read_text()
    return [*stale, *([] if readme.with_figures(page, found) == page else ["README.md"])]
