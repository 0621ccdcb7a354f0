# The sidecar's image: `make image`. BASE may be any Debian 12 image; it is what the image is built in, and what its libraries come from.
# The image itself begins empty and holds what deploy/image-root.sh lays out: the program, its libraries, certificates. No shell.
ARG BASE=docker.io/library/debian:12-slim

FROM ${BASE} AS build
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        gcc libc6-dev cmake ninja-build pkg-config libmicrohttpd-dev libyaml-dev libjansson-dev libisal-dev \
        libcurl4-gnutls-dev libhiredis-dev libpcre2-dev libsqlite3-dev libgnutls28-dev ca-certificates
WORKDIR /src
COPY . .
ARG REVISION=unknown
RUN cmake --preset release -DCMAKE_INSTALL_PREFIX=/usr -DBUILD_TESTING=OFF -DOXP_REVISION="${REVISION}" \
    && cmake --build --preset release --target oxpecker \
    && DESTDIR=/staging cmake --install build/release --component Unspecified --prefix /usr --strip \
    && deploy/image-root.sh /staging /image

FROM scratch
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="oxpecker" \
      org.opencontainers.image.description="Prometheus-compatible metrics exporter and alerting sidecar for session orchestrators" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image /
COPY deploy/image.yml /etc/oxpecker/oxpecker.yml
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
VOLUME ["/run/oxpecker", "/var/lib/oxpecker"]
EXPOSE 10108
# For the sidecar and for every command that is run beside it: outbox, alerts, healthcheck … find what it finds.
ENV OXPECKER_CONFIG_FILE=/etc/oxpecker/oxpecker.yml
HEALTHCHECK --interval=10s --timeout=4s --start-period=2s CMD ["/usr/bin/oxpecker", "healthcheck"]
ENTRYPOINT ["/usr/bin/oxpecker"]
