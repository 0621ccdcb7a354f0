#!/bin/sh
# Installs the Debian 12 packages that are missing for the purposes named on the command line: build, run, test,
# image, bench, fuzz.
# Installs nothing when nothing is missing; uses sudo when not root; lets no service start.
set -eu

packages() {
    case $1 in
    build) echo gcc libc6-dev make cmake ninja-build pkg-config git libmicrohttpd-dev libyaml-dev libjansson-dev \
        libisal-dev libcurl4-gnutls-dev libhiredis-dev libpcre2-dev libsqlite3-dev libgnutls28-dev ;;
    run) echo libcurl3-gnutls curl python3 prometheus ;;
    test) echo clang-14 clang-format-14 clang-tidy-14 libcmocka-dev prometheus prometheus-alertmanager python3 python3-prometheus-client python3-yaml \
        shellcheck mandoc redis-server libhiredis0.14 chromium fonts-dejavu-core ;;
    image) echo buildah debootstrap ca-certificates openssl curl python3 ;;
    bench) echo prometheus-pushgateway python3 ;;
    fuzz) echo clang-14 libclang-rt-14-dev llvm-14 libcmocka-dev ;;
    *) echo "deps.sh: no such purpose: $1" >&2; exit 2 ;;
    esac
}

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "deps: this is not a Debian machine; install by hand: $(for p in "$@"; do packages "$p"; done | tr '\n' ' ')" >&2
    exit 0
fi

missing=
for purpose in "$@"; do
    list=$(packages "$purpose")
    for package in $list; do
        case " $missing " in *" $package "*) continue ;; esac
        status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$status" = installed ] || missing="$missing $package"
    done
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || { echo "deps: missing$missing; neither root nor sudo to install them" >&2; exit 1; }
    as_root=sudo
fi
echo "deps: installing$missing"

# A package such as prometheus starts its service when installed. policy-rc.d is Debian's way to say no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
fi

log=$(mktemp)
# shellcheck disable=SC2086 # the lists are words on purpose
if ! { $as_root apt-get update -q &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    echo "deps: apt-get failed" >&2
    exit 1
fi
rm -f "$log"
