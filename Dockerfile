# Melisma on the CPU: service, workers and command line in one image.
#   docker build -t melisma:cpu .
#   docker run -p 127.0.0.1:8765:8765 -v melisma-data:/data -e MELISMA_API_TOKENS=me:… melisma:cpu
# The base image is pinned by its tag. Pin its digest too where you build: python:3.12.8-slim-bookworm@sha256:…

FROM python:3.12.8-slim-bookworm AS build
# More engines: --build-arg EXTRAS=server,postgres,redis,whisper
ARG EXTRAS=server,postgres,redis
WORKDIR /src
RUN python -m venv /opt/melisma
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /opt/melisma/bin/pip install --no-cache-dir ".[${EXTRAS}]"

FROM python:3.12.8-slim-bookworm
# ffmpeg decodes what libsndfile does not and draws videos; fonts for what is sung in other scripts; pg_dump for backups.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        ffmpeg fonts-dejavu-core fonts-noto-core fonts-noto-cjk postgresql-client tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 melisma \
    && useradd --uid 10001 --gid melisma --home-dir /home/melisma --create-home --shell /usr/sbin/nologin melisma \
    && install --directory --owner=melisma --group=melisma --mode=0700 /data /cache
COPY --from=build /opt/melisma /opt/melisma
# Everything that lasts lies below /data, everything that can be fetched or computed again below /cache.
ENV PATH=/opt/melisma/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_DATA_HOME=/data \
    XDG_STATE_HOME=/data/state \
    XDG_CACHE_HOME=/cache \
    MELISMA_HOST=0.0.0.0 \
    MELISMA_PORT=8765
USER 10001:10001
WORKDIR /data
VOLUME ["/data", "/cache"]
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f\"http://127.0.0.1:{os.environ['MELISMA_PORT']}/healthz\", timeout=4)"]
# tini reaps what ffmpeg leaves, and hands on SIGTERM.
ENTRYPOINT ["tini", "--", "melisma"]
CMD ["serve"]
