#!/bin/sh
# What needs no running system: format, lint, types, import contracts, drift of generated files and of
# the benchmark's report, the page, secrets, advisories.
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH=.:libs
bin=.venv/bin
step() { printf '== %s\n' "$*"; "$@"; }
step $bin/ruff format --check --quiet .
step $bin/ruff check --quiet .
for part in libs/chassis services/users services/tweets services/media services/feed gateway bench \
    deploy docs tests; do
    step $bin/mypy --no-error-summary "$part"
done
step $bin/lint-imports --no-logo
step $bin/python docs/generate.py --check
step $bin/python -m deploy.grafana.generate --check
step $bin/python -m bench.report --check
step $bin/python -m deploy.local page check
step $bin/python -m deploy.supply secrets
step $bin/python -m deploy.supply audit --where-possible
echo "All checks passed."
