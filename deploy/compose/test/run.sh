#!/bin/sh
# Tests docker-compose.yml with real containers on separate ports: build, start, the journeys of the
# contract, three replicas of the feed, a killed process, removal of all data. Needs root and Docker.
set -eu
cd "$(dirname "$0")/../../.."
export GATEWAY_RATE_LIMITS=off COMPOSE_PROJECT_NAME=warble-test WARBLE_PORT="${WARBLE_PORT:-17800}" GRAFANA_PORT="${GRAFANA_PORT:-17801}"
if docker compose version >/dev/null 2>&1; then
    compose="docker compose"
elif command -v docker-compose >/dev/null; then
    compose=docker-compose
else
    echo "Docker Compose is missing. Install docker-compose-plugin or docker-compose." >&2
    exit 1
fi
# Since version 23 the Docker client needs the plugin buildx for BuildKit. The classic builder makes the
# same images, but slower, because it also builds stages that an image does not need.
if docker buildx version >/dev/null 2>&1; then DOCKER_BUILDKIT=1; else DOCKER_BUILDKIT=0; fi
export DOCKER_BUILDKIT
say() { printf '== %s\n' "$*"; }
gateway=http://127.0.0.1:$WARBLE_PORT

docker info >/dev/null 2>&1 || { echo "The Docker engine is not running. Start dockerd." >&2; exit 1; }
trap '$compose down --volumes --remove-orphans >/dev/null 2>&1' EXIT

say "Building the images of Warble"
for service in users tweets media feed notifications gateway operate; do
    docker build --quiet ${BUILD_OPTIONS:---network=host} --build-arg "SERVICE=$service" \
        --target "code-$service" --file deploy/service.Dockerfile --tag "warble/$service:${WARBLE_VERSION:-0.1.0}" . >/dev/null
done
docker images --filter 'reference=warble/*' --format '{{.Repository}} {{.Size}}'

say "Starting"
started_at=$(date +%s)
$compose up -d --no-build
until curl --fail --silent --output /dev/null "$gateway/health/live"; do
    [ $(($(date +%s) - started_at)) -lt 240 ] || { $compose ps; $compose logs --tail=20; exit 1; }
    sleep 1
done
say "Healthy after $(($(date +%s) - started_at)) s"
$compose ps
key=$($compose run --rm --no-deps secrets cat /secrets/all/admin.key | tr -d '\r\n')

journeys() {
    WARBLE_TEST_HOME=.local/compose-test WARBLE_TEST_PORT=$WARBLE_PORT WARBLE_TEST_ADMIN_KEY=$key \
        WARBLE_TEST_KEEP=1 .venv/bin/python -m pytest --numprocesses=0 tests/journeys/test_contract.py
}
say "Journeys of the contract"
journeys

say "Three replicas of the feed"
$compose up -d --no-build --scale feed=3 feed
for _ in $(seq 60); do
    [ "$($compose ps -q feed | xargs docker inspect --format '{{.State.Health.Status}}' | grep -c '^healthy')" = 3 ] && break
    sleep 2
done
# The gateway resolves the names of services every 5 s.
sleep 6
reader=$(curl --fail --silent --header "api-key: $key" --json '{"name": "Reader"}' "$gateway/api/users" |
    .venv/bin/python -c 'import json, sys; print(json.load(sys.stdin)["api_key"])')
for _ in $(seq 60); do
    curl --fail --silent --output /dev/null --header "api-key: $reader" "$gateway/api/tweets?limit=20"
done
for replica in $($compose ps -q feed); do
    printf 'page reads of a replica: '
    docker exec "$replica" python -c "
import urllib.request
text = urllib.request.urlopen('http://127.0.0.1:8000/metrics').read().decode()
reads = [line for line in text.splitlines() if line.startswith('warble_feed_page_cache_total')]
print(int(sum(float(line.split()[-1]) for line in reads)))"
done

say "Prometheus scrapes every process"
# It resolves names every 15 s and scrapes every 15 s.
targets() {
    docker exec "$($compose ps -q prometheus)" wget -q -O - "http://127.0.0.1:9090/api/v1/targets?state=active" |
        .venv/bin/python -c '
import collections, json, sys
targets = json.load(sys.stdin)["data"]["activeTargets"]
up = collections.Counter((t["labels"]["job"], t["labels"].get("role", "")) for t in targets if t["health"] == "up")
for (job, role), count in sorted(up.items()):
    print(count, job, role)'
}
expected="$(printf '3 feed api\n1 feed worker\n1 gateway gateway\n1 media api\n1 media worker\n1 notifications api\n1 notifications stream\n1 notifications worker\n1 rabbitmq \n1 rabbitmq-queues \n1 tweets api\n1 tweets worker\n1 users api\n1 users worker')"
for _ in $(seq 45); do
    [ "$(targets)" = "$expected" ] && break
    sleep 2
done
targets
[ "$(targets)" = "$expected" ] || { echo "Expected:"; echo "$expected"; exit 1; }

say "The feed is rebuilt, and a backup restored"
operate="$compose run --rm operate"
$operate rebuild feed
$operate backup
backup=$($compose run --rm --entrypoint sh operate -c 'echo /backups/*Z' | tr -d '\r\n')
if $compose run --rm -e YES=1 operate restore "$backup"; then echo "Restored while services run" >&2; exit 1; fi
services="gateway users users-worker tweets tweets-worker media media-worker feed feed-worker
    notifications notifications-worker notifications-stream"
# shellcheck disable=SC2086
$compose stop $services
$compose run --rm -e YES=1 operate restore "$backup"
$compose up -d --no-build

say "A killed process is restarted"
worker=$($compose ps -q feed-worker)
before=$(docker inspect --format '{{.State.Pid}}' "$worker")
# Not with `docker kill`, after which Docker would not restart the container.
kill -KILL "$before"
until [ "$(docker inspect --format '{{.State.Health.Status}}' "$worker")" = healthy ] &&
    [ "$(docker inspect --format '{{.State.Pid}}' "$worker")" != "$before" ]; do sleep 1; done
journeys
say "All tests passed."
