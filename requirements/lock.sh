#!/bin/sh
# Renews the lock files of the program: what runs it, and what tests it. Needs `uv`.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-annotate \
        --custom-compile-command requirements/lock.sh pyproject.toml "$@"
}
compile --extra build --output-file requirements/run.txt
compile --extra build --extra dev --constraint requirements/run.txt --output-file requirements/test.txt
