#!/bin/sh
# Makes the file system of a base image from Debian packages and a Python 3.10 of this machine.
# For machines that cannot pull the official base; see docs/image.md.
#
#   bootstrap-base.sh PYTHON3.10 OUTPUT.tar      as root, with mmdebstrap installed
#
# The Python is copied without its site-packages: what else is installed there stays out.
set -eu
python=$1
output=$2
here=$(cd "$(dirname "$0")" && pwd)
prefix=$("$python" -I -S -c 'import sys; print(sys.base_prefix)')
packages=$(sed -e '/^#/d' "$here/debian-packages.txt" | paste -s -d, -)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

# ensurepip stays: it brings the pip that the Dockerfile starts from.
tar -C "$prefix" -cf "$work/python.tar" \
    --owner=0 --group=0 --transform 's,^,opt/python3.10/,' \
    --exclude='*/site-packages/*' --exclude='*/__pycache__' --exclude='lib/python3.10/test' \
    --exclude='lib/python3.10/idlelib' --exclude='*.a' \
    bin/python3.10 include/python3.10 lib/python3.10 \
    $(cd "$prefix" && ls lib/libpython3.10.so* 2>/dev/null || true)

mmdebstrap --variant=apt --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook="tar-in $work/python.tar /" \
    --customize-hook='echo /opt/python3.10/lib >"$1/etc/ld.so.conf.d/python3.10.conf"' \
    --customize-hook='ln -s /opt/python3.10/bin/python3.10 "$1/usr/local/bin/python3.10"' \
    --customize-hook='chroot "$1" ldconfig' \
    --customize-hook='chroot "$1" python3.10 -c "import bz2, ctypes, lzma, sqlite3, ssl, zlib"' \
    --format=tar bookworm "$output"
