#!/bin/sh
# Takes CUDA out of an installed torch, which the package index has for CUDA only: 0.75 GB of its own, and
# 2.3 GB of libraries that it and torchvision are linked with. What is left computes on the CPU, as it did.
#
#   without-cuda.sh SITE_PACKAGES      with gcc and binutils
#
# One small library stands for all that goes. It has every symbol that what stays is linked with. CUDA's own
# functions answer as they do where there is no driver; those of torch above them are then never called, and
# end the program if they are.
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
nm -D --defined-only torch/lib/libtorch_cuda.so | awk 'NF == 3 { print $3, $2 }' | sort -u >"$work/gone"
rm torch/lib/libtorch_cuda.so torch/lib/libtorch_cuda_linalg.so
# Only some versions have it. They look for it at the start, and miss it aloud.
fuser=$(cd torch/lib && find . -name libnvfuser_codegen.so -printf '%f' -delete)
set -- torch/lib/lib*.so torch/_C*.so torchvision/_C.so
nm -D --undefined-only "$@" | awk '$1 == "U" { print $2 }' | sort -u >"$work/undefined"
{
    # Of CUDA's own libraries only functions are used; a symbol's version is the name of its library.
    sed -n 's/@lib.*/ T/p' "$work/undefined"
    join "$work/gone" "$work/undefined"
} | sort -u | awk '
    { print ".globl " $1 }
    # A type is told from others by its name.
    /^_ZTI/ { print ".data\n.balign 8\n" $1 ": .quad _ZTVN10__cxxabiv117__class_type_infoE+16, 1f\n1: .asciz \"" $1 "\""; next }
    $2 != "T" { print ".bss\n.balign 16\n" $1 ": .skip 1024"; next }
    { print ".text\n.type " $1 ",@function\n" $1 ":" }
    # torch writes where this one points to, when it is imported.
    $1 == "_ZN4c10d15get_gil_checkerEv" { print "lea 1f(%rip), %rax\nret\n.bss\n.balign 16\n1: .skip 16"; next }
    /^_Z/ { print "sub $8, %rsp\ncall abort@PLT"; next }
    $1 == "cudaGetErrorString" { print "lea 1f(%rip), %rax\nret\n1: .asciz \"this torch has no CUDA\""; next }
    # cudaErrorInsufficientDriver
    { print "mov $35, %eax\nret" }
    END { print ".section .note.GNU-stack, \"\", @progbits" }
' >"$work/stubs.s"
gcc -shared -Wl,-soname,libwithout_cuda.so -o torch/lib/libwithout_cuda.so "$work/stubs.s" -l:libstdc++.so.6
linked=$(readelf -d "$@" | sed -n 's/.*(NEEDED).*\[\(lib\(torch_cuda\|cu\|nv\).*\)\]/\1/p' | sort -u)
for name in $linked $fuser; do
    ln -s libwithout_cuda.so "torch/lib/$name"
done
