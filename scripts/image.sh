#!/bin/sh
# Builds the container image with whichever of docker, podman and buildah is here and works. BASE and TAG may be given.
set -eu
cd "$(dirname "$0")/.."
tag=${TAG:-oxpecker:latest}
revision=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
version=$(sed -n 's/^project(oxpecker VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
set -- --build-arg "VERSION=$version" --build-arg "REVISION=$revision" -t "$tag" -f Dockerfile .
[ -z "${BASE:-}" ] || set -- --build-arg "BASE=$BASE" "$@"
if command -v docker >/dev/null 2>&1 && docker info >/dev/null 2>&1; then
    exec docker build "$@"
elif command -v podman >/dev/null 2>&1; then
    exec podman build "$@"
elif command -v buildah >/dev/null 2>&1; then
    exec buildah bud --isolation "${BUILDAH_ISOLATION:-chroot}" "$@"
fi
echo "image: none of docker (with its engine running), podman and buildah is here; apt-get install buildah" >&2
exit 1
