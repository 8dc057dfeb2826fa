#!/bin/sh
# Writes constraints.txt: every version that the project is tested with.
# torch is pinned by hand: compiled, it would record a local build such as
# 2.13.0+cpu, which no other machine could install.
set -eu
pip-compile --quiet --strip-extras --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
    --extra web --extra agent --extra embedded --extra demo --extra dev \
    --output-file constraints.txt pyproject.toml
sed -i -E 's/^torch==.*/torch==2.13.0/; /^(nvidia-|cuda-|triton==)/d' constraints.txt
