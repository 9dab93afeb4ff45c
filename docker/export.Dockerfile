# The image in which checkpoints of Ultralytics are exported to ONNX: its exporter with PyTorch for the CPU alone.
# cvimake builds it when a model needs it (`./doit image --export`). Ultralytics' licence is AGPL-3.0; it is
# installed here, on the machine of who asks for it, and is no part of cvimake.
ARG BASE=sophgo/tpuc_dev:v3.1

FROM ${BASE} AS build
# The label by which the layers of this stage are found and removed after the build.
ARG CVIMAKE_PARTIAL=by-hand
LABEL cvimake.partial=$CVIMAKE_PARTIAL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PIP_DEFAULT_TIMEOUT=60 PIP_CONFIG_FILE=/build/pip.conf
# Certificates and package indexes of the machine that builds. They stay in this stage.
COPY certificates.crt pip.conf /build/
COPY build-requirements.txt export-requirements.txt without-cuda.sh /build/
RUN set -eu; \
    if [ -s /build/certificates.crt ]; then export PIP_CERT=/build/certificates.crt; fi; \
    python3.10 -m pip --version >/dev/null 2>&1 || python3.10 -m ensurepip >/dev/null; \
    python3.10 -m pip install --progress-bar off --target /build/tools --require-hashes -r /build/build-requirements.txt; \
    python3.10 -m venv --without-pip /opt/export; \
    PYTHONPATH=/build/tools python3.10 -m pip --python /opt/export/bin/python install --progress-bar off --no-deps \
        --no-compile --only-binary :all: --require-hashes --report /build/export.json -r /build/export-requirements.txt; \
    packages=/opt/export/lib/python3.10/site-packages; \
    sh /build/without-cuda.sh "$packages"; \
    # The report names the package index.
    sed -i -e '/^ *"url": /d' /build/export.json; \
    # What is only for compiling against torch. What is in torch/bin stays: torch looks for it when it is imported.
    rm -r "$packages/torch/include" "$packages/torch/share"; \
    # Bytecode, as in Dockerfile.
    standard_library=$(python3.10 -I -S -c 'import os; print(os.path.dirname(os.__file__))'); \
    PYTHONPYCACHEPREFIX=/opt/export/bytecode PYTHONHASHSEED=0 python3.10 -m compileall -qq -j 0 \
        --invalidation-mode unchecked-hash "$standard_library" /opt/export || true

FROM ${BASE}
ARG CVIMAKE_PARTIAL=by-hand
LABEL cvimake.partial=$CVIMAKE_PARTIAL
RUN set -eu; \
    if ! { command -v faketime && command -v setarch; } >/dev/null; then \
        export DEBIAN_FRONTEND=noninteractive; \
        apt-get update -q; \
        apt-get install -q -y --no-install-recommends faketime util-linux; \
        rm -rf /var/lib/apt/lists/*; \
    fi
COPY --from=build /build/export.json /opt/cvimake/
COPY --from=build /opt/export /opt/export
# As in Dockerfile.
RUN install -d -m 1777 /workspace
USER 65534:65534
WORKDIR /workspace
