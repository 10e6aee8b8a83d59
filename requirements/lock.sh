#!/bin/sh
# Resolves every dependency again and writes the hash-pinned files beside this script.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
"$uv" lock --quiet
export_to() {
    "$uv" export --quiet --frozen --no-emit-workspace --no-annotate --no-header \
        --format requirements-txt --output-file "$@" >/dev/null
}
export_to requirements/local.txt --all-packages --no-default-groups --group local
export_to requirements/operate.txt --all-packages --no-default-groups --group operate
export_to requirements/dev.txt --all-packages --no-default-groups --group dev
export_to requirements/bench.txt --all-packages --no-default-groups --group bench
export_to requirements/build.txt --only-group build
export_to requirements/node.txt --only-group node
for service in users tweets media feed notifications gateway; do
    export_to "requirements/$service.txt" --no-default-groups --package "$service"
done
