# The sidecar's image. Build it with `make image`; BASE may be any Debian 12 image or a local root file system's image.
ARG BASE=docker.io/library/debian:12-slim

FROM ${BASE} AS build
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        gcc libc6-dev cmake ninja-build pkg-config libmicrohttpd-dev libyaml-dev libjansson-dev libisal-dev \
        libcurl4-gnutls-dev libhiredis-dev libpcre2-dev libsqlite3-dev libgnutls28-dev
WORKDIR /src
COPY . .
ARG REVISION=unknown
RUN cmake --preset release -DBUILD_TESTING=OFF -DOXP_REVISION="${REVISION}" && cmake --build --preset release --target oxpecker \
    && DESTDIR=/staging cmake --install build/release --component Unspecified --prefix /usr --strip

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="oxpecker" \
      org.opencontainers.image.description="Prometheus-compatible metrics exporter and alerting sidecar for session orchestrators" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        libmicrohttpd12 libpcre2-8-0 libsqlite3-0 libgnutls30 libyaml-0-2 libjansson4 libisal2 libcurl3-gnutls ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*.log \
    && install -d -o 65532 -g 65532 -m 0775 /run/oxpecker /var/lib/oxpecker
COPY --from=build /staging/usr /usr
COPY deploy/image.yml /etc/oxpecker/oxpecker.yml
# A number, so that Kubernetes can see that it is not root.
USER 65532:65532
VOLUME ["/run/oxpecker", "/var/lib/oxpecker"]
EXPOSE 10108
HEALTHCHECK --interval=10s --timeout=4s --start-period=2s CMD ["/usr/bin/oxpecker", "healthcheck", "--config.file=/etc/oxpecker/oxpecker.yml"]
ENTRYPOINT ["/usr/bin/oxpecker"]
CMD ["--config.file=/etc/oxpecker/oxpecker.yml"]
