"""`python -m bench.report`: the report anew from results.json; `--check` says what drifts."""

import json
import sys

from . import RESULTS, drift, write


def main() -> int:
    if "--check" in sys.argv[1:]:
        stale = drift()
        for name in stale:
            print(f"{name} is not what bench/results.json says: python -m bench.report")
        return 1 if stale else 0
    if RESULTS.exists():
        write(json.loads(RESULTS.read_text()), quoted=True, trial=RESULTS.parent)
    return 0


if __name__ == "__main__":
    sys.exit(main())
