#!/bin/bash
# Builds the container image with buildah over a base that debootstrap makes, and tries it: a user that is not root, a read-only root, events
# in, a scrape, HTTPS with certificates, SIGTERM. At most 30 MB. Needs root, what `scripts/deps.sh image` installs, and a Debian archive
# (the one that apt has here, or MIRROR); without them it says SKIPPED and why, and is content. It tries with an empty image, in a second,
# whether buildah can run at all.
#
# BASE (an image's name) or BASE_TAR (a root file system) replace debootstrap; OUT (build/image) is where everything goes;
# KEEP=1 keeps the image there, for `buildah --root $OUT/store --storage-driver vfs images`.
set -u
cd "$(dirname "$0")/.." || exit 1
limit_bytes=30000000
out=${OUT:-$PWD/build/image}
id=65532

skip() {
    echo "SKIPPED image: $*"
    echo "image: 0 passed, 0 failed, 1 skipped"
    exit 0
}
fail() {
    echo "FAILED image: $*" >&2
    [ ! -s "$out/try.log" ] || tail -n 20 "$out/try.log" >&2
    echo "image: $passed passed, 1 failed"
    exit 1
}
passed=0
check() { # WHAT COMMAND…
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
        echo "ok $passed $what"
    else
        fail "$what"
    fi
}
until_true() { # SECONDS COMMAND…
    local tries=$(($1 * 10))
    shift
    for _ in $(seq $tries); do
        "$@" && return 0
        sleep 0.1
    done
    return 1
}

# ---- inside: in a mount namespace of its own, as root, with the image mounted at $image ----

# What a container engine would do: the root, the user by number, no groups, no capabilities, no way to more.
start() { # COMMAND…: takes this process' place
    # shellcheck disable=SC2086 # what the image says of its environment, a word for each
    exec env -i $IMAGE_ENV OXPECKER_WEB_LISTEN_ADDRESS="127.0.0.1:$port" OXPECKER_SHUTDOWN_GRACE=2s \
        OXPECKER_ORCHESTRATOR_HEALTH_URL="https://127.0.0.1:$tls_port/" OXPECKER_ORCHESTRATOR_HEALTH_INTERVAL=1s \
        "$python" -c '
import ctypes, os, sys
libc, number = ctypes.CDLL(None), int(sys.argv[2])
os.chroot(sys.argv[1])
os.chdir("/")
os.setgroups([])
os.setresgid(number, number, number)
os.setresuid(number, number, number)
libc.prctl(38, 1, 0, 0, 0) # PR_SET_NO_NEW_PRIVS
os.execv(sys.argv[3], sys.argv[3:])' "$image" $id "$@"
}
run() { (start "$@") >>"$out/try.log" 2>&1; }
get() { curl -sf --noproxy '*' -m 5 "http://127.0.0.1:$port$1"; }

is_read_only() { ! touch "$image/etc/x" 2>/dev/null; }
has_certificates() { [ "$(grep -c BEGIN "$image/etc/ssl/certs/ca-certificates.crt")" -gt 100 ]; }
finds_libcurl() { run /usr/bin/oxpecker version && grep -q 'libcurl.*GnuTLS' "$out/try.log"; }
runs_as_user() { # pid's four user ids, and its capabilities
    local uids='' effective=''
    uids=$(sed -n 's/^Uid:[[:space:]]*//p' "/proc/$sidecar/status")
    effective=$(sed -n 's/^CapEff:[[:space:]]*//p' "/proc/$sidecar/status")
    [ "$(echo "$uids" | tr '\t' ' ')" = "$id $id $id $id" ] && [ "$effective" = 0000000000000000 ]
}
shows_session() {
    run /usr/bin/oxpecker send session.started session=a region=us-east-1 && get /metrics | grep -q '^orchestrator_sessions_active{.*running.* 1$'
}
has_rules() { get /api/v1/rules | grep -q OrchestratorDown; }
opens_outbox() { # what a reload is noted in
    kill -HUP "$sidecar" && until_true 5 test -s "$image/var/lib/oxpecker/outbox.db"
}
is_up() { get /metrics | grep -q '^orchestrator_up 1$'; }
ends_well() {
    local status=0
    kill -TERM "$sidecar"
    wait "$sidecar" || status=$?
    sidecar=''
    [ $status -eq 0 ] && [ -s "$image/var/lib/oxpecker/metrics.saved" ]
}

prepare() { # the mounts of a container, and an authority of the test's own beside Debian's
    mount --make-rprivate / && mount --bind "$image" "$image" || return 1
    for folder in run/oxpecker var/lib/oxpecker; do
        mount -t tmpfs -o "mode=0775,uid=$id,gid=$id" tmpfs "$image/$folder" || return 1
    done
    mkdir -p "$image/proc" "$image/dev" && mount -t proc proc "$image/proc" && mount -t tmpfs -o mode=0755 tmpfs "$image/dev" || return 1
    for device in null zero urandom random; do
        : >"$image/dev/$device" && mount --bind "/dev/$device" "$image/dev/$device" || return 1
    done
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=image-test -addext subjectAltName=IP:127.0.0.1 \
        -keyout "$out/tls.key" -out "$out/tls.pem" 2>/dev/null || return 1
    cat "$image/etc/ssl/certs/ca-certificates.crt" "$out/tls.pem" >"$out/bundle.pem"
    [ -n "${UNTRUSTED:-}" ] || mount --bind "$out/bundle.pem" "$image/etc/ssl/certs/ca-certificates.crt" || return 1
    mount -o remount,bind,ro "$image"
}

serve_https() {
    exec "$python" - "$out" <<'PYTHON'
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0") # no end by closing: Python closes TLS without saying so
        self.end_headers()
    def log_message(self, *_):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/tls.pem", sys.argv[1] + "/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
PYTHON
}

end_inside() {
    [ -z "$sidecar" ] || kill -9 "$sidecar" 2>/dev/null
    [ -z "$tls" ] || kill "$tls" 2>/dev/null
}

inside() { # ROOT
    image=$1 sidecar='' tls=''
    python=$(command -v python3)
    trap end_inside EXIT
    check "holds Debian's certificates" has_certificates
    check "is mounted" prepare
    check "its root is read-only" is_read_only
    : >"$out/tls.port"
    serve_https >"$out/tls.port" 2>/dev/null &
    tls=$!
    until_true 5 test -s "$out/tls.port" || fail "no HTTPS server"
    tls_port=$(cat "$out/tls.port")
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    : >"$out/try.log"

    check "libcurl is found at run time" finds_libcurl
    check "its configuration is right" run /usr/bin/oxpecker check config /etc/oxpecker/oxpecker.yml
    start /usr/bin/oxpecker >>"$out/try.log" 2>&1 &
    sidecar=$!
    check "starts, and its health check says so" until_true 5 run /usr/bin/oxpecker healthcheck
    check "runs as $id without capabilities" runs_as_user
    check "an event by the socket is in the scrape" shows_session
    check "the rules that come with it are loaded" has_rules
    check "SQLite is found at run time" opens_outbox
    check "commands in the container find its configuration" run /usr/bin/oxpecker outbox list
    check "HTTPS to a server that its certificates vouch for" until_true 10 is_up
    check "SIGTERM: everything is saved, exit 0" ends_well
    echo "image: $passed passed, 0 failed"
}

# ---- what is there ----

# The archive that apt is set up with here, for this release's main component.
mirror_of_apt() {
    # shellcheck disable=SC2016 # apt puts its own words in
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' 2>/dev/null | head -n 1
}

# A program, and the libraries that it needs, below a folder.
lay_out() { # FOLDER PROGRAM
    local file=''
    for file in "$2" $(ldd "$2" | grep -o '/[^ ]*'); do
        mkdir -p "$1$(dirname "$file")" && cp -L "$file" "$1$file" || return 1
    done
}

# Whether buildah can make an image here, run something in it and commit it; with one program in place of a system.
can_build() {
    local container='' root='' status=1 program=''
    program=$(readlink -f "$(type -P true)")
    container=$(image_tool from scratch) || return 1
    root=$(image_tool mount "$container") && lay_out "$root" "$program" && image_tool umount "$container" >/dev/null &&
        image_tool run --isolation chroot "$container" -- "$program" && image_tool commit -q "$container" localhost/oxpecker-test-can >/dev/null &&
        status=0
    image_tool rm "$container" >/dev/null
    [ $status -ne 0 ] || image_tool rmi localhost/oxpecker-test-can >/dev/null
    return $status
}

# What dpkg does for a base like the one of Docker's debian:12-slim: no manuals, but each package's copyright; and no waiting for the disk.
slim() { # ROOT
    printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/doc/*' 'path-include=/usr/share/doc/*/copyright' \
        'path-exclude=/usr/share/locale/*' >"$1/etc/dpkg/dpkg.cfg.d/slim"
}

if [ "${1:-}" = --inside ]; then
    passed=$3
    inside "$2"
    exit
fi

# ---- outside ----

[ "$(id -u)" = 0 ] || skip "needs root, for buildah's chroot isolation"
for tool in buildah unshare openssl curl python3; do
    command -v $tool >/dev/null || skip "$tool is not installed"
done
unshare --mount true 2>/dev/null || skip "mount namespaces are not allowed here"
mkdir -p "$out" || exit 1
export TMPDIR="$out"
image_tool() { buildah --root "$out/store" --runroot "$out/runroot" --storage-driver vfs "$@"; }
can_build >"$out/try.log" 2>&1 || skip "buildah cannot build here: $(tail -n 1 "$out/try.log")"

base=${BASE:-}
if [ -z "$base" ]; then
    base=localhost/oxpecker-test-base
    if ! image_tool images -q "$base" 2>/dev/null | grep -q .; then
        tar=${BASE_TAR:-}
        if [ -z "$tar" ]; then
            command -v debootstrap >/dev/null || skip "debootstrap is not installed (or give BASE)"
            tar=$out/base.tar
            rm -rf "$out/base"
            mirror=${MIRROR:-$(mirror_of_apt)}
            [ -n "$mirror" ] || { apt-get update -q >/dev/null 2>&1 && mirror=$(mirror_of_apt); }
            [ -n "$mirror" ] || skip "apt knows no archive of bookworm here (apt-get update, or give MIRROR, BASE or BASE_TAR)"
            nice debootstrap --variant=minbase bookworm "$out/base" "$mirror" >"$out/debootstrap.log" 2>&1 ||
                skip "debootstrap: $(tail -n 1 "$out/debootstrap.log")"
            rm -f "$out"/base/var/cache/apt/archives/*.deb
            slim "$out/base"
            echo "base made in $SECONDS s"
            tar -C "$out/base" -cf "$tar" . && rm -rf "$out/base"
        fi
        container=$(image_tool from scratch) || skip "buildah cannot make an image here"
        image_tool add -q "$container" "$tar" / >/dev/null || skip "buildah cannot add to an image here"
        image_tool commit -q "$container" "$base" >/dev/null || skip "buildah cannot commit an image here"
        image_tool rm "$container" >/dev/null
        [ -n "${BASE_TAR:-}" ] || rm -f "$tar"
    fi
fi
build() {
    nice buildah --root "$out/store" --runroot "$out/runroot" --storage-driver vfs bud --isolation chroot --format docker \
        --build-arg "BASE=$base" --build-arg REVISION=image-test -t localhost/oxpecker-test -f "${DOCKERFILE:-Dockerfile}" . >"$out/build.log" 2>&1 ||
        { tail -n 30 "$out/build.log" >&2; return 1; }
}
began=$SECONDS
rm -f "$out/try.log"
check "is built; the log is $out/build.log" build
echo "built in $((SECONDS - began)) s"

container=$(image_tool from localhost/oxpecker-test)
root=$(image_tool mount "$container")
end() {
    image_tool umount "$container" >/dev/null 2>&1
    image_tool rm "$container" >/dev/null 2>&1
    [ -n "${KEEP:-}" ] || image_tool rmi localhost/oxpecker-test >/dev/null 2>&1
    image_tool rmi --prune >/dev/null 2>&1
}
trap end EXIT

has_papers() { # each package that something is from says what it is, and its licence
    local papers='' package=''
    [ -e "$root/var/lib/dpkg/status.d/libc6" ] || return 1
    for papers in "$root"/var/lib/dpkg/status.d/*; do
        package=$(basename "$papers")
        grep -q "^Package: $package$" "$papers" && [ -s "$root/usr/share/doc/$package/copyright" ] || return 1
    done
}
is_alone() { # no other program, nothing setuid
    [ -z "$(find "$root" -type f \( -path '*/bin/*' -o -path '*/sbin/*' \) ! -name oxpecker)" ] && [ -z "$(find "$root" -type f -perm /6000)" ]
}
IMAGE_ENV=$(image_tool inspect --type image --format '{{range .Docker.Config.Env}}{{println .}}{{end}}' localhost/oxpecker-test)
export IMAGE_ENV
bytes=$(du -s --apparent-size --block-size=1 "$root" | cut -f1)
user=$(image_tool inspect --type image --format '{{.Docker.Config.User}}' localhost/oxpecker-test)
check "size: $bytes bytes of at most $limit_bytes" test "$bytes" -le $limit_bytes
check "its user is $id:$id" test "$user" = "$id:$id"
check "its packages have their papers" has_papers
check "no other program is in it" is_alone

unshare --mount bash scripts/image-test.sh --inside "$root" "$passed"
