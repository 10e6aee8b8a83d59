#!/bin/sh
# The first thing in a container: takes the secrets that lie in a volume, if one is mounted there,
# and becomes the process. `serve MODULE:FACTORY` is one that answers HTTP; anything else runs as is.
set -eu
if [ -r /secrets/environment ]; then
    . /secrets/environment
fi
if [ "$1" = serve ]; then
    shift
    set -- python -m chassis.serve --host 0.0.0.0 "$@"
fi
exec "$@"
