#!/bin/sh
# Lays out the root of the image below ROOT: what `cmake --install` put below STAGING, the shared libraries that the program needs and
# libcurl, which it loads at run time, and the few files that the C library and libcurl read. No shell, no package manager, nothing else.
# Each Debian package that something comes from keeps its copyright file, and its entry in var/lib/dpkg/status.d, for scanners to read.
#
#   deploy/image-root.sh STAGING ROOT        on Debian 12, as the Dockerfile's build stage runs it
set -eu
staging=$1 root=$2
id=65532 # a number that no Debian package uses; deploy/ and the Dockerfile name it, too

take() { # PATH: a file or folder of a package, where it is, and the package's papers
    mkdir -p "$root$(dirname "$1")"
    cp -RL "$1" "$root$1"
    # A library is below /lib in some packages' lists and below /usr/lib in others', and is the same file.
    package=$(dpkg-query -S "$1" "/usr$1" "${1#/usr}" 2>/dev/null | sed -n '1s/:.*//p')
    [ -n "$package" ] || { echo "image-root: $1 is of no package" >&2; exit 1; }
    papers "$package"
}

papers() { # PACKAGE
    [ ! -e "$root/var/lib/dpkg/status.d/$1" ] || return 0
    mkdir -p "$root/usr/share/doc/$1" "$root/var/lib/dpkg/status.d"
    cp -L "/usr/share/doc/$1/copyright" "$root/usr/share/doc/$1/copyright"
    dpkg-query -s "$1" | sed '/^Conffiles:/,/^[^ ]/{/^Conffiles:/d;/^ /d}' >"$root/var/lib/dpkg/status.d/$1"
}

mkdir -p "$root"
for folder in lib lib64; do # as Debian has them since 12
    mkdir -p "$root/usr/$folder"
    ln -s "usr/$folder" "$root/$folder"
done
cp -R "$staging/." "$root/"

# What the program is linked with, what it loads (lib/net, alerts/outbox), and what the C library loads when a thread ends early.
curl=$(ldconfig -p | sed -n 's/.*libcurl-gnutls\.so\.4 .*=> //p' | head -n 1)
sqlite=$(ldconfig -p | sed -n 's/.*libsqlite3\.so\.0 .*=> //p' | head -n 1)
unwinder=$(ldconfig -p | sed -n 's/.*libgcc_s\.so\.1 .*=> //p' | head -n 1)
{
    ldd "$staging/usr/bin/oxpecker" "$curl" "$sqlite" "$unwinder" >"$root.ldd"
    ! grep 'not found' "$root.ldd" >&2 || exit 1
    printf '%s\n%s\n%s\n' "$curl" "$sqlite" "$unwinder"
    sed -n 's/.*=> \(\/[^ ]*\) (.*/\1/p; s/^[[:space:]]*\(\/[^ ]*\) (.*/\1/p' "$root.ldd"
} | sort -u | while read -r library; do
    take "$library"
done
rm "$root.ldd"

# Characters beyond ASCII in templates; the certificates that HTTPS trusts.
take /usr/lib/locale/C.utf8
mkdir -p "$root/etc/ssl/certs"
cp -L /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
papers ca-certificates

echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
echo "oxpecker:x:$id:$id:oxpecker:/var/lib/oxpecker:/usr/sbin/nologin" >"$root/etc/passwd"
echo "oxpecker:x:$id:" >"$root/etc/group"
mkdir -p "$root/dev" "$root/proc" "$root/sys" # where engines mount theirs
install -d -m 1777 "$root/tmp"
install -d -o $id -g $id -m 0775 "$root/run/oxpecker" "$root/var/lib/oxpecker"
du -sk "$root" | sed 's/[[:space:]].*/ KiB in the root/'
