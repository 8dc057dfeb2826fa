#!/bin/sh
# Makes the virtual environment with the newest suitable Python, or says how to get one.
set -eu
for python in python3.13 python3.12 python3.11 python3; do
    if command -v "$python" >/dev/null 2>&1 &&
        "$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; then
        if "$python" -m venv "$1" 2>/dev/null; then
            exit 0
        fi
        echo "$python cannot make a virtual environment: install its venv package" \
            "(on Debian and Ubuntu: sudo apt install $python-venv)." >&2
        exit 1
    fi
done
echo "Syrinx needs Python 3.11, 3.12 or 3.13; get one with 'sudo apt install python3.11 python3.11-venv'" \
    "or, on an older system, 'curl -LsSf https://astral.sh/uv/install.sh | sh && uv python install 3.12'" \
    "followed by adding that python3.12 to PATH." >&2
exit 1
