#!/bin/sh
# Makes the roles and schemas of the services; safe to run again.
set -eu
. /secrets/environment
exec psql --no-psqlrc --quiet --file /deploy/postgres/bootstrap.sql
