#!/bin/sh
# Compiles simulator.c and interpreter.c, which lie beside this file, to the same bytes on every machine with the
# same compiler.
#
#   compile-simulator.sh OUTPUT.so      with gcc
#
# No option for this machine's processor: the functions that need AVX2 say so, and are called if it is there.
# -O3 unrolls the innermost loops, so that their sums stay in registers. -ffp-contract=off keeps a product and a
# sum apart, which round separately.
set -eu
cd "$(dirname "$0")"
exec gcc -std=gnu11 -O3 -Wall -Wextra -fPIC -shared -fvisibility=hidden -ffp-contract=off \
    -fno-ident -Wl,--build-id=none,-s -o "$1" simulator.c interpreter.c
