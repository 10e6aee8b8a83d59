#!/bin/sh
# Creates .venv and installs a set of requirements into it. `venv.sh local` installs what `make up`
# needs; `venv.sh dev` also what tests and checks need; `venv.sh bench` also what `make bench` needs;
# `venv.sh node` adds Node.js. A stamp file per set holds the checksum of its requirements, so a second
# call has nothing to do.
set -eu
cd "$(dirname "$0")/.."
requested=$1
venv=.venv
venv_python=$venv/bin/python

say() { printf '%s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# A lock, because `make up` and `make test` may run at the same time.
if [ "${WARBLE_VENV_LOCKED:-}" != 1 ] && command -v flock >/dev/null; then
    WARBLE_VENV_LOCKED=1 exec flock "$0" "$0" "$@"
fi

local_sum=$(sha256sum <requirements/local.txt)
dev_sum=$(cat requirements/local.txt requirements/dev.txt | sha256sum)
bench_sum=$(cat requirements/local.txt requirements/bench.txt | sha256sum)
node_sum=$(sha256sum <requirements/node.txt)
stamped() { [ "$(cat "$venv/installed-$1" 2>/dev/null)" = "$2" ]; }
if is_new_enough "$venv_python"; then
    case $requested in
    node) stamped node "$node_sum" && exit 0 ;;
    local) { stamped dev "$dev_sum" || stamped local "$local_sum"; } && exit 0 ;;
    dev) stamped dev "$dev_sum" && exit 0 ;;
    bench) stamped bench "$bench_sum" && exit 0 ;;
    esac
elif [ -f "$venv/pyvenv.cfg" ]; then
    [ -w "$venv/pyvenv.cfg" ] || fail "$venv belongs to another user. Use your own clone."
    say "The Python of $venv is missing or too old. Creating $venv again."
    rm -rf "$venv"
fi

python=${PYTHON:-}
if [ -z "$python" ]; then
    for python in python3 python3.13 python3.12 python3.11 ''; do
        [ -n "$python" ] && is_new_enough "$python" && break
    done
fi
[ -n "$python" ] || fail "Warble needs Python 3.11 or newer, but none is on the PATH.
Install one (on Debian or Ubuntu: apt-get install python3), or give its path: make up PYTHON=/path/to/python3.13"
is_new_enough "$python" || fail "$python is older than Python 3.11."

has_pip() { "$@" -m pip --version >/dev/null 2>&1; }

# Installs pip from Debian's package python3-pip-whl, which needs no root.
download_pip() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    temporary=$(mktemp -d)
    (
        cd "$temporary"
        mkdir -p lists/partial cache/archives/partial
        if ! apt-get download python3-pip-whl >apt.log 2>&1; then
            set -- -o "Dir::State::Lists=$temporary/lists" -o "Dir::Cache=$temporary/cache"
            apt-get update "$@" >>apt.log 2>&1
            apt-get download "$@" python3-pip-whl >>apt.log 2>&1 || { cat apt.log >&2; exit 1; }
        fi
        dpkg -x python3-pip-whl*.deb root
    ) && wheel=$(find "$temporary/root" -name 'pip-*.whl' | head -n 1) && [ -n "$wheel" ] &&
        "$venv_python" "$wheel/pip" install --quiet --no-index "$wheel"
    result=$?
    rm -rf "$temporary"
    return $result
}

if [ ! -x "$venv_python" ]; then
    say "Creating $venv with $("$python" --version 2>&1) …"
    if ! "$python" -c 'import ensurepip' 2>/dev/null && [ "$(id -u)" = 0 ] &&
        command -v apt-get >/dev/null; then
        package=$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
        say "Installing the package $package …"
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y "$package"; } >&2 ||
            say "The installation failed. Trying without it."
    fi
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
    else
        "$python" -m venv --without-pip "$venv"
    fi
fi

if has_pip "$venv_python"; then
    set -- "$venv_python" -m pip
elif "$python" -m pip --python "$venv_python" --version >/dev/null 2>&1; then
    set -- "$python" -m pip --python "$venv_python"
else
    say "This Python has no pip. Downloading pip …"
    download_pip || fail "This Python has no pip, and pip cannot be downloaded. Ask an administrator to run
    apt-get install python3-venv
or use another Python that has pip: make up PYTHON=/path/to/python3"
    set -- "$venv_python" -m pip
fi

say "Installing requirements/$requested.txt into $venv …"
set -- "$@" install --disable-pip-version-check --require-hashes
# pyvips is published as source only. Build isolation would download its build tools without a hash.
[ "$requested" = node ] || "$@" --quiet --requirement requirements/build.txt
set -- "$@" --no-build-isolation --requirement "requirements/$requested.txt"
if ls "$venv"/installed-* >/dev/null 2>&1; then
    # Hide a line for each package that is installed already.
    exec 4>&1
    result=$({ { "$@" 3>&-; echo $? >&3; } |
        grep -v '^Requirement already satisfied' >&4; } 3>&1) || true
    [ "$result" = 0 ] || exit 1
else
    "$@"
fi
case $requested in
node) printf '%s\n' "$node_sum" >"$venv/installed-node" ;;
bench) printf '%s\n' "$bench_sum" >"$venv/installed-bench" ;;
esac
case $requested in
dev | bench) printf '%s\n' "$dev_sum" >"$venv/installed-dev" ;;
esac
[ "$requested" = node ] || printf '%s\n' "$local_sum" >"$venv/installed-local"
