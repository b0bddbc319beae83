# One image for every process: `assay up` by default, `assay serve`, `assay work` and `assay marketplace` beside it.
#
#   docker build -t assay .
#   docker run -p 8800:8800 -v assay:/var/lib/assay assay
#   docker run -e DATABASE_URL=postgresql://… -p 8800:8800 assay serve
#   docker run -e DATABASE_URL=postgresql://… assay work --probes
#
# All of them together: compose.yaml.
FROM python:3.11-slim AS build

WORKDIR /build
COPY requirements/tools.txt requirements/runtime.txt requirements/
RUN python -m venv /tools \
 && /tools/bin/pip install --no-cache-dir --require-hashes -r requirements/tools.txt \
 && python -m venv --without-pip /opt/assay \
 && /tools/bin/uv pip sync --no-cache --python /opt/assay/bin/python --require-hashes requirements/runtime.txt

COPY pyproject.toml README.md LICENSE ./
COPY aggregation aggregation
COPY foundation foundation
COPY gold gold
COPY marketplace marketplace
COPY migrations migrations
COPY service service
COPY simulation simulation
RUN /tools/bin/python -m hatchling build -t wheel -d dist \
 && /tools/bin/uv pip install --no-cache --python /opt/assay/bin/python --no-deps dist/*.whl

FROM python:3.11-slim

# libgomp1: the OpenMP of numba's threads; its version is the base's Debian's, with its security updates.
# The base's pip goes: nothing is installed in a running image. The ids are numbers, for whoever checks that they are
# not root's; folders that are written to belong to them.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* /usr/local/bin/pip* /usr/local/lib/python3.11/site-packages/pip* \
 && groupadd --gid 10001 assay \
 && useradd --uid 10001 --gid 10001 --no-log-init --no-create-home --home-dir /var/lib/assay \
      --shell /usr/sbin/nologin assay \
 && install -d -o assay -g assay -m 0700 /var/lib/assay /var/cache/assay

COPY --from=build /opt/assay /opt/assay

ENV PATH=/opt/assay/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    NUMBA_CACHE_DIR=/var/cache/assay \
    NUMBA_CPU_NAME=generic \
    ASSAY_DATA=/var/lib/assay \
    ASSAY_HOST=0.0.0.0 \
    ASSAY_LOG_FORMAT=json

USER 10001:10001
WORKDIR /var/lib/assay
# The kernels are compiled here, for any processor of this architecture, so that no start waits for them, and no process
# loads the compiler. As a volume the cache can take others under a read-only root too.
RUN python -m aggregation.warm
VOLUME ["/var/lib/assay", "/var/cache/assay"]
EXPOSE 8800
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f\"http://127.0.0.1:{os.environ.get('ASSAY_PORT', 8800)}/health\", timeout=2)"]
ENTRYPOINT ["assay"]
CMD ["up"]
