# The one image of every process.
FROM python:3.12.12-slim-trixie@sha256:f3fa41d74a768c2fce8016b98c191ae8c1bacd8f1152870a3f9f87d350920b7c AS base

FROM base AS install
# binutils: what the packages' compiled parts carry for debuggers is a sixth of the whole image
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY locks/ locks/
# uv in a folder of its own: syncing removes from a folder what the lock does not list
RUN python -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --require-hashes -r locks/tools.txt \
    && /tools/bin/uv venv /venv \
    && /tools/bin/uv pip sync --no-cache --compile-bytecode --require-hashes --python /venv/bin/python locks/run.txt
COPY deploy/slim.sh ./
# everything that was made smaller is loaded once
RUN sh slim.sh /venv && /venv/bin/python -c 'import asyncpg, av, babel, cryptography, duckdb, obstore, pillow_heif, uvloop; from PIL import _imaging; babel.Locale("de"), babel.Locale("en")'

FROM base
LABEL org.opencontainers.image.title="All You Can GET AI" \
      org.opencontainers.image.description="Self-hosted studio for generated pictures, videos and answers in chats" \
      org.opencontainers.image.licenses="MIT"
# HOME: the root may be read-only, and what a library wants to keep goes where anything may be lost
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data HOME=/tmp
WORKDIR /app
RUN useradd --system --uid 10001 --no-create-home app && install -d -o app -m 0700 /data
COPY --from=install /venv /venv
COPY api/ api/
COPY bots/ bots/
COPY admin_web/ admin_web/
COPY client/ client/
COPY cli/ cli/
COPY sandbox/ sandbox/
COPY telemetry/ telemetry/
COPY .env.example ./
RUN python -m compileall -q api bots admin_web client cli sandbox telemetry
USER 10001
VOLUME /data
EXPOSE 8000 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "cli.health", "api"]
ENTRYPOINT ["python", "-m", "cli.process"]
CMD ["api"]
