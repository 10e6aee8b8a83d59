#!/bin/sh
# Makes .venv and installs a set of requirements into it: `venv.sh local` or `venv.sh dev`, which
# contains all of local; `venv.sh node` adds a Node.js. Costs nothing when it is there already.
set -eu
cd "$(dirname "$0")/../.."
wanted=$1
venv=.venv
own=$venv/bin/python

say() { printf '%s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# One at a time: `make up` and `make test` may be started together.
if [ "${WARBLE_VENV_LOCKED:-}" != 1 ] && command -v flock >/dev/null; then
    WARBLE_VENV_LOCKED=1 exec flock "$0" "$0" "$@"
fi

local_sum=$(sha256sum <requirements/local.txt)
dev_sum=$(cat requirements/local.txt requirements/dev.txt | sha256sum)
node_sum=$(sha256sum <requirements/node.txt)
stamped() { [ "$(cat "$venv/installed-$1" 2>/dev/null)" = "$2" ]; }
if is_new_enough "$own"; then
    case $wanted in
    node) stamped node "$node_sum" && exit 0 ;;
    local) { stamped dev "$dev_sum" || stamped local "$local_sum"; } && exit 0 ;;
    dev) stamped dev "$dev_sum" && exit 0 ;;
    esac
elif [ -f "$venv/pyvenv.cfg" ]; then
    [ -w "$venv/pyvenv.cfg" ] || fail "$venv belongs to another user: work in a clone of your own."
    say "The interpreter of $venv is gone or too old: making it anew."
    rm -rf "$venv"
fi

python=${PYTHON:-}
if [ -z "$python" ]; then
    for python in python3 python3.13 python3.12 python3.11 ''; do
        [ -n "$python" ] && is_new_enough "$python" && break
    done
fi
[ -n "$python" ] || fail "Warble needs Python 3.11 or newer, and finds none on the PATH.
Install one (on Debian or Ubuntu: apt-get install python3), or name it: make up PYTHON=/path/to/python3.13"
is_new_enough "$python" || fail "$python is no Python 3.11 or newer."

has_pip() { "$@" -m pip --version >/dev/null 2>&1; }

# pip as Debian packages it for its own venv, which an ordinary user can fetch too.
fetch_pip() {
    command -v apt-get >/dev/null && command -v dpkg >/dev/null || return 1
    aside=$(mktemp -d)
    (
        cd "$aside"
        mkdir -p lists/partial cache/archives/partial
        if ! apt-get download python3-pip-whl >apt.log 2>&1; then
            set -- -o "Dir::State::Lists=$aside/lists" -o "Dir::Cache=$aside/cache"
            apt-get update "$@" >>apt.log 2>&1
            apt-get download "$@" python3-pip-whl >>apt.log 2>&1 || { cat apt.log >&2; exit 1; }
        fi
        dpkg -x python3-pip-whl*.deb root
    ) && wheel=$(find "$aside/root" -name 'pip-*.whl' | head -n 1) && [ -n "$wheel" ] &&
        "$own" "$wheel/pip" install --quiet --no-index "$wheel"
    result=$?
    rm -rf "$aside"
    return $result
}

if [ ! -x "$own" ]; then
    say "Making $venv with $("$python" --version 2>&1) …"
    if ! "$python" -c 'import ensurepip' 2>/dev/null && [ "$(id -u)" = 0 ] &&
        command -v apt-get >/dev/null; then
        package=$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
        say "Installing $package, which this machine lacks …"
        { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y "$package"; } >&2 ||
            say "That failed: trying without it."
    fi
    if "$python" -c 'import ensurepip' 2>/dev/null; then
        "$python" -m venv "$venv"
    else
        "$python" -m venv --without-pip "$venv"
    fi
fi

if has_pip "$own"; then
    set -- "$own" -m pip
elif "$python" -m pip --python "$own" --version >/dev/null 2>&1; then
    set -- "$python" -m pip --python "$own"
else
    say "Fetching pip, which this Python lacks …"
    fetch_pip || fail "There is no pip and none can be fetched. Ask an administrator for
    apt-get install python3-venv
or give another Python, which has pip: make up PYTHON=/path/to/python3"
    set -- "$own" -m pip
fi

say "Installing requirements/$wanted.txt into $venv …"
set -- "$@" install --disable-pip-version-check --require-hashes
# pyvips is published as source alone. Build isolation would fetch what builds it without a hash.
[ "$wanted" = node ] || "$@" --quiet --requirement requirements/build.txt
set -- "$@" --no-build-isolation --requirement "requirements/$wanted.txt"
if ls "$venv"/installed-* >/dev/null 2>&1; then
    # Most is there already, which pip would tell at length.
    exec 4>&1
    result=$({ { "$@" 3>&-; echo $? >&3; } |
        grep -v '^Requirement already satisfied' >&4; } 3>&1) || true
    [ "$result" = 0 ] || exit 1
else
    "$@"
fi
case $wanted in
node) printf '%s\n' "$node_sum" >"$venv/installed-node" ;;
dev) printf '%s\n' "$dev_sum" >"$venv/installed-dev" ;;
esac
[ "$wanted" = node ] || printf '%s\n' "$local_sum" >"$venv/installed-local"
