# The portal: web, grpc, relay and the migrations, one image for all four.
#   docker build -f deploy/docker/portal.Dockerfile -t syrinx-portal:0.1.0 .
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
RUN python -m venv /opt/venv
WORKDIR /app
# Installed in place, so that the code itself is a layer of its own: this one changes with the dependencies only.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN pip install --constraint constraints.txt --editable ".[web]"

# What browsers load: third-party scripts at the versions of package-lock.json, and our own.
FROM build AS static
COPY package.json package-lock.json .npmrc manage.py ./
COPY scripts/vendor_static.py scripts/
COPY web web
RUN python scripts/vendor_static.py && python manage.py collectstatic --noinput

FROM python:${PYTHON}-slim
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 SYRINX_LOG=json
RUN groupadd --gid 10001 syrinx && useradd --uid 10001 --gid syrinx --home-dir /tmp --no-create-home syrinx
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY manage.py LICENSE ./
COPY proto proto
COPY web web
COPY --from=static /app/staticfiles staticfiles
USER 10001:10001
EXPOSE 8000 50051
# For plain Docker and the web process; Kubernetes has the probes of the chart.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["uvicorn", "web.config.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--timeout-graceful-shutdown", "3"]
