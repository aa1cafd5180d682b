# One image for training, serving, the loop, the console, and the MLflow and Prefect servers that go with it.
# Another base with Python 3.11 or newer does as well, as long as both stages have the same: --build-arg PYTHON_IMAGE=…
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Bytecode is compiled here: the final image is not written to. Timestamps are never right in an image, hashes are, and
# are not looked at when a module is imported.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1
WORKDIR /build
COPY requirements/uv.txt requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv tools \
    && tools/bin/pip install --quiet --require-hashes -r requirements/uv.txt \
    && tools/bin/pip install --quiet --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/tiltyard \
    && tools/bin/uv pip install --quiet --python /opt/tiltyard/bin/python --require-hashes -r requirements/runtime.txt
# The project's own code comes last: a change to it leaves the layer above as it is.
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN tools/bin/uv build --quiet --wheel --no-build-isolation --python tools/bin/python --out-dir dist \
    && tools/bin/uv pip install --quiet --python /opt/tiltyard/bin/python --no-deps dist/*.whl
COPY deploy/container/healthcheck.py deploy/container/make_buckets.py /opt/tiltyard/share/tiltyard/
# numba's machine code is compiled here, for this machine's kind of processor, to where only root can write. On another
# kind it is compiled again, into NUMBA_CACHE_DIR.
RUN find /opt/tiltyard/lib -type d -name tests -path '*/site-packages/*' -prune -exec rm -rf {} + \
    && /opt/tiltyard/bin/python -m tiltyard.scoring.compile_kernels \
    && /opt/tiltyard/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/tiltyard/lib

FROM ${PYTHON_IMAGE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tiltyard" \
      org.opencontainers.image.description="Closes the MLOps loop for scikit-learn-class models." \
      org.opencontainers.image.source="https://github.com/tiltyard/tiltyard" \
      org.opencontainers.image.documentation="https://github.com/tiltyard/tiltyard/blob/main/docs/containers.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# The number is fixed, so that volumes and Kubernetes' runAsUser can name it. A new volume takes the owner of the folder
# that it is mounted over: /keys is for the file of API keys, where several containers share it.
RUN groupadd --gid 10001 tiltyard \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/tiltyard --shell /usr/sbin/nologin tiltyard \
    && mkdir -p /project \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/tiltyard /keys
COPY --from=build /opt/tiltyard /opt/tiltyard
# Everything that is written lies in the volume; the root may be read-only. Nothing phones home.
ENV PATH=/opt/tiltyard/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/var/lib/tiltyard \
    TILTYARD_HOME=/var/lib/tiltyard \
    MPLCONFIGDIR=/var/lib/tiltyard/cache/matplotlib \
    NUMBA_CACHE_DIR=/var/lib/tiltyard/cache/numba \
    PREFECT_HOME=/var/lib/tiltyard/prefect \
    MLFLOW_DISABLE_TELEMETRY=true \
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    PREFECT_CLI_PROMPT=false \
    DO_NOT_TRACK=1
USER 10001:10001
WORKDIR /project
VOLUME /var/lib/tiltyard
EXPOSE 8000
# For what serves; a container that trains has nothing to ask and is done before it matters.
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-E", "-S", "/opt/tiltyard/share/tiltyard/healthcheck.py"]
ENTRYPOINT ["tiltyard"]
CMD ["--help"]
