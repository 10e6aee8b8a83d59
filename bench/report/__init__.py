"""The figures as a page to read: all of it follows from results.json alone."""

import json
from pathlib import Path

from deploy.local.places import REPOSITORY

from . import readme
from .plots import PLOTS
from .sections import SECTIONS, generators, reached, warnings
from .targets import Found

BENCH = REPOSITORY / "bench"
RESULTS = BENCH / "results.json"

_HEAD = """# What it costs

Written by `make bench`. Every figure stands beside *hello*, measured right before and right after
it: a bare FastAPI application under plain uvicorn that answers `{"result": true}`, in two
processes, as many as a read of ours passes through. CPU time is that of all processes that take
part, as the operating system counts it; figures are medians of several turns.

"""


def write(found: Found, *, quoted: bool, trial: Path) -> Path:
    """Writes results.json and what follows from it; gives the folder.

    Only a whole run is quoted: what is not goes into the folder `trial`, and the README stays.
    """
    folder = BENCH if quoted else trial
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    for name, text in rendered(found).items():
        file = folder / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    if quoted:
        readme.PAGE.write_text(readme.with_figures(readme.PAGE.read_text(), found))
    return folder


def rendered(found: Found) -> dict[str, str]:
    """The page and its pictures, by path within the folder."""
    pictures = {
        f"plots/{name}.svg": drawn
        for name, plot in PLOTS.items()
        if (drawn := plot(found)) is not None
    }
    machine = "".join(f"- {name}: {value}\n" for name, value in found["machine"].items())
    told = warnings(found)
    doubts = "".join(f"- {sentence}\n" for sentence in told) or "None.\n"
    text = (
        _HEAD
        + machine
        + f"- asking took at most {generators(found):.0%} of one processor\n"
        + f"\n## Targets\n\n{reached(found)}\n## Doubts\n\n{doubts}"
    )
    for title, (section, plots) in SECTIONS.items():
        body = section(found)
        if body:
            shown = "".join(
                f"![{title}](plots/{name}.svg)\n\n"
                for name in plots
                if f"plots/{name}.svg" in pictures
            )
            text += f"\n## {title}\n\n{shown}{body}"
    return {"RESULTS.md": text.rstrip() + "\n", **pictures}


def drift() -> list[str]:
    """The files that do not follow from results.json as it is."""
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else None
    stale = []
    for name, text in (rendered(found) if found else {}).items():
        file = BENCH / name
        if not file.exists() or file.read_text() != text:
            stale.append(f"bench/{name}")
    page = readme.PAGE.read_text()
    return [*stale, *([] if readme.with_figures(page, found) == page else ["README.md"])]
