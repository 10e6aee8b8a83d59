"""Writes the report again from results.json; `--check` only lists files that are out of date."""

import json
import sys

from . import RESULTS, drift, write


def main() -> int:
    if "--check" in sys.argv[1:]:
        stale = drift()
        for name in stale:
            print(f"{name} is out of date. Run `python -m bench.report`.")
        return 1 if stale else 0
    if RESULTS.exists():
        write(json.loads(RESULTS.read_text()), publish=True, trial_folder=RESULTS.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
