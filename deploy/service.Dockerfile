# The image of a service or the gateway: --build-arg SERVICE=users, tweets, media, feed,
# notifications, gateway or operate. It contains only the dependencies and code of that service, and
# runs as an unprivileged user.
ARG PYTHON=python:3.13-slim-bookworm
ARG NODE=node:22-bookworm-slim
ARG SERVICE

# The web page, which only the image of the gateway contains.
FROM ${NODE} AS page-gateway
WORKDIR /page/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-progress
COPY web ./
COPY gateway/openapi.json /page/gateway/
RUN npm run build -- --outDir dist

FROM ${PYTHON} AS dependencies
ARG SERVICE
COPY requirements/${SERVICE}.txt requirements/build.txt /
# pyvips is the one package without a wheel. It is pure Python here: libvips is in pyvips-binary. Build
# isolation would fetch setuptools without a hash.
RUN python3 -m venv /venv \
    && install="/venv/bin/python -m pip install --no-cache-dir --no-compile \
    --disable-pip-version-check --require-hashes --only-binary :all:" \
    && $install --requirement /build.txt \
    && $install --no-binary pyvips --no-build-isolation --requirement /${SERVICE}.txt \
    && /venv/bin/python -m pip uninstall --yes --quiet pip setuptools

FROM ${PYTHON} AS base
ARG SERVICE
RUN useradd --system --uid 10001 --no-create-home --home-dir /nonexistent warble
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app:/app/libs PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=dependencies /venv /venv
COPY deploy/start.sh start
COPY libs libs
USER 10001
EXPOSE 8000
# It replaces itself by the server, so that the stop signal reaches the server itself.
ENTRYPOINT ["/app/start"]

# This stage comes first because Docker's classic builder builds every stage up to `--target`, and the
# next stage would need a folder services/gateway.
FROM base AS code-gateway
COPY gateway gateway
COPY --from=page-gateway /page/web/dist web/dist

# The operators' commands, with the code of all services: see docs/adr/0031.
FROM base AS code-operate
USER root
RUN install -d -o 10001 /backups
USER 10001
COPY services services
COPY deploy/postgres deploy/postgres
COPY operate operate
ENTRYPOINT ["python", "-m", "operate"]

FROM base AS code-service
ARG SERVICE
COPY services/${SERVICE} services/${SERVICE}

FROM code-service AS code-users
FROM code-service AS code-tweets
FROM code-service AS code-media
FROM code-service AS code-feed
FROM code-service AS code-notifications

FROM code-${SERVICE}
