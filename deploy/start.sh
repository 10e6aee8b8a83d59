#!/bin/sh
# The entry point of the images. It exports the secrets of the mounted volume, if there is one, and then
# replaces itself by the command. `serve MODULE:FACTORY` starts a server; other commands run as given.
set -eu
if [ -r /secrets/environment ]; then
    . /secrets/environment
fi
if [ "$1" = serve ]; then
    shift
    set -- python -m chassis serve --host 0.0.0.0 "$@"
fi
exec "$@"
