# The toolchain image with what the front ends of Caffe, PyTorch and TFLite take: PyTorch and TensorFlow, for
# the CPU alone. cvimake builds it when a model needs it (`./doit image --frameworks`).
ARG BASE

FROM ${BASE} AS build
USER 0:0
# The label by which the layers of this stage are found and removed after the build.
ARG CVIMAKE_PARTIAL=by-hand
LABEL cvimake.partial=$CVIMAKE_PARTIAL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
    PIP_DEFAULT_TIMEOUT=60 PIP_CONFIG_FILE=/build/pip.conf
# Certificates and package indexes of the machine that builds. They stay in this stage.
COPY certificates.crt pip.conf /build/
COPY build-requirements.txt frameworks-requirements.txt without-cuda.sh /build/
RUN set -eu; \
    if [ -s /build/certificates.crt ]; then export PIP_CERT=/build/certificates.crt; fi; \
    python3.10 -m pip --version >/dev/null 2>&1 || python3.10 -m ensurepip >/dev/null; \
    python3.10 -m pip install --progress-bar off --target /build/tools --require-hashes -r /build/build-requirements.txt; \
    PYTHONPATH=/build/tools python3.10 -m pip install --progress-bar off --no-deps --target /build/packages \
        --no-compile --only-binary :all: --require-hashes --report /build/frameworks.json -r /build/frameworks-requirements.txt; \
    sh /build/without-cuda.sh /build/packages; \
    # The report names the package index.
    sed -i -e '/^ *"url": /d' /build/frameworks.json; \
    # What is only for compiling against them, and console scripts.
    (cd /build/packages && rm -r bin tensorflow/include torch/include); \
    # Bytecode, as in Dockerfile.
    PYTHONPYCACHEPREFIX=/build/bytecode PYTHONHASHSEED=0 python3.10 -m compileall -qq -j 0 \
        --invalidation-mode unchecked-hash -s /build/packages -p /opt/tpu_mlir/lib/python3.10/site-packages \
        /build/packages || true

FROM ${BASE}
ARG CVIMAKE_PARTIAL=by-hand
LABEL cvimake.partial=$CVIMAKE_PARTIAL
COPY --from=build /build/frameworks.json /opt/cvimake/
COPY --from=build /build/packages /opt/tpu_mlir/lib/python3.10/site-packages
COPY --from=build /build/bytecode/build/packages /opt/tpu_mlir/bytecode/opt/tpu_mlir/lib/python3.10/site-packages
