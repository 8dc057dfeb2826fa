# The agent of a GPU host; without a GPU it trains on the CPU.
#   docker build -f deploy/docker/agent.Dockerfile -t syrinx-agent:0.1.0 .
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/venv/bin:$PATH
RUN python -m venv /opt/venv
WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
# torch comes first and alone: its wheel for Linux brings the CUDA libraries, and only the driver is taken from the host.
# For another CUDA version, or a small image without CUDA, give PyTorch's index of it as TORCH_INDEX.
ARG TORCH_INDEX=""
# Pinned, but by the file of constraints.
# hadolint ignore=DL3013
RUN pip install ${TORCH_INDEX:+--index-url "${TORCH_INDEX}"} "$(grep '^torch==' constraints.txt)"
RUN pip install --constraint constraints.txt --editable ".[agent]"

FROM python:${PYTHON}-slim
# ffmpeg decodes what users upload: from Debian, so that its fixes come with a rebuild.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 syrinx \
    && useradd --uid 10001 --gid syrinx --home-dir /var/lib/syrinx --no-create-home syrinx \
    && install --directory --owner=syrinx --group=syrinx /var/lib/syrinx
# Which GPUs a container sees is for the runtime to say, so NVIDIA_VISIBLE_DEVICES is not set here.
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    SYRINX_WORK_DIR=/var/lib/syrinx SYRINX_DEVICES=auto SYRINX_LOG=json
WORKDIR /app
COPY --from=build /opt/venv /opt/venv
COPY LICENSE ./
COPY proto proto
COPY gpu_agent gpu_agent
USER 10001:10001
VOLUME /var/lib/syrinx
# It listens on no port and ends itself when it cannot go on; the portal shows when it was last heard.
HEALTHCHECK NONE
STOPSIGNAL SIGTERM
CMD ["python", "-m", "gpu_agent"]
