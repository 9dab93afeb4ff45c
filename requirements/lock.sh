#!/bin/sh
# Renews the lock files of the program: what runs it, what tests it, and what it is measured against. Needs `uv`.
set -eu
cd "$(dirname "$0")/.."
compile() {
    uv pip compile --quiet --universal --generate-hashes --no-annotate \
        --custom-compile-command requirements/lock.sh "$@"
}
own() { compile --python-version 3.10 pyproject.toml --extra build "$@"; }
own --output-file requirements/run.txt
# These are installed beside what runs the program, when they are first needed: for a store on S3, for
# `./doit report` and for a cluster. All can be there at once, so their versions must agree.
own --extra s3 --constraint requirements/run.txt --output-file requirements/s3.txt
own --extra report --constraint requirements/run.txt --constraint requirements/s3.txt \
    --output-file requirements/report.txt
own --extra cluster --constraint requirements/run.txt --constraint requirements/s3.txt \
    --constraint requirements/report.txt --output-file requirements/cluster.txt
own --extra dev --constraint requirements/s3.txt --constraint requirements/report.txt \
    --constraint requirements/cluster.txt --output-file requirements/test.txt
# In an environment of its own. Snakemake needs a Python that is newer than ours.
compile --python-version 3.11 --group bench --output-file requirements/bench.txt
