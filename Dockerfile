FROM python:3.12-slim AS install
WORKDIR /build
COPY locks/ locks/
# uv in a folder of its own: syncing removes from a folder what the lock does not list
RUN python -m venv /tools \
    && /tools/bin/pip install --no-cache-dir --require-hashes -r locks/tools.txt \
    && /tools/bin/uv venv /venv \
    && /tools/bin/uv pip sync --no-cache --compile-bytecode --require-hashes --python /venv/bin/python locks/run.txt

FROM python:3.12-slim
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 DATA_DIR=/data
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
RUN python -m compileall -q api bots admin_web client cli sandbox
USER 10001
VOLUME /data
EXPOSE 8000 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-m", "cli.ready", "api"]
ENTRYPOINT ["python", "-m", "cli.process"]
CMD ["api"]
