# The example orchestrator and the provider that it works on, for deploy/compose.yml and for a first try on Kubernetes:
#
#     docker build -f deploy/demo.Dockerfile --target orchestrator -t oxpecker-demo-orchestrator .
#     docker build -f deploy/demo.Dockerfile --target provider -t oxpecker-demo-provider .
ARG BASE=docker.io/library/debian:12-slim

FROM ${BASE} AS build
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        gcc libc6-dev cmake ninja-build pkg-config libmicrohttpd-dev libyaml-dev libjansson-dev libisal-dev \
        libcurl4-gnutls-dev libhiredis-dev libpcre2-dev libsqlite3-dev libgnutls28-dev ca-certificates
WORKDIR /src
COPY . .
RUN cmake --preset release -DBUILD_TESTING=OFF && cmake --build --preset release --target oxpecker-example-orchestrator

FROM ${BASE} AS orchestrator
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        libmicrohttpd12 libjansson4 libcurl3-gnutls libhiredis0.14 ca-certificates \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && install -d -o 65532 -g 65532 -m 0775 /run/oxpecker /var/lib/orchestrator
COPY --from=build /src/build/release/oxpecker-example-orchestrator /usr/bin/
USER 65532:65532
VOLUME ["/run/oxpecker", "/var/lib/orchestrator"]
EXPOSE 8000
ENTRYPOINT ["/usr/bin/oxpecker-example-orchestrator"]

FROM ${BASE} AS provider
RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
COPY examples/provider/*.py /usr/share/oxpecker-demo/
USER 65532:65532
ENV PYTHONDONTWRITEBYTECODE=1
EXPOSE 8787
ENTRYPOINT ["/usr/bin/python3", "/usr/share/oxpecker-demo/provider.py"]
