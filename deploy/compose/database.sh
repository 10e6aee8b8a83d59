#!/bin/sh
# Creates the roles and schemas of the services. Running it again is safe.
set -eu
. /secrets/environment
exec psql --no-psqlrc --quiet --file /deploy/postgres/bootstrap.sql
