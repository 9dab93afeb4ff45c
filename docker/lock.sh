#!/bin/sh
# Renews the lock files of the toolchain image. Needs `uv` (it is in the development environment)
# and a Python 3.10 that uv can find. The package index is the one that uv is configured for.
set -eu
cd "$(dirname "$0")"
compile() {
    uv pip compile --quiet --python-version 3.10 --python-platform x86_64-manylinux_2_28 \
        --generate-hashes --no-annotate --custom-compile-command docker/lock.sh "$@"
}
compile requirements.in --no-emit-package pycocotools --output-file requirements.txt
compile onnx-requirements.in --output-file onnx-requirements.txt
compile build-requirements.in --output-file build-requirements.txt
echo 'pycocotools==2.0.6' | compile --no-deps --output-file source-requirements.txt -
# For an installation without containers, which compiles nothing.
echo 'pycocotools==2.0.7' | compile --no-deps --only-binary :all: --output-file local-requirements.txt -
compile frameworks-requirements.in --no-deps --output-file frameworks-requirements.txt
compile export-requirements.in --no-deps --output-file export-requirements.txt
