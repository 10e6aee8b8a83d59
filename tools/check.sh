#!/bin/sh
# Checks that need no running system: format, lint, types, import contracts, whether generated files
# and the benchmark's report are up to date, the web page, secrets, advisories.
set -eu
cd "$(dirname "$0")/.."
export PYTHONPATH=.:libs
bin=.venv/bin
step() { printf '== %s\n' "$*"; "$@"; }
step $bin/ruff format --check --quiet .
step $bin/ruff check --quiet .
for part in libs/chassis services/users services/tweets services/media services/feed \
    services/notifications gateway bench deploy devstack operate tools tests; do
    step $bin/mypy --no-error-summary "$part"
done
step $bin/lint-imports --no-logo
step $bin/python tools/generate_docs.py --check
step $bin/python -m deploy.monitoring.grafana.generate --check
step $bin/python -m bench.report --check
step $bin/python -m devstack web check
step $bin/python -m tools.supply_chain secrets
step $bin/python -m tools.supply_chain audit --where-possible
echo "All checks passed."
