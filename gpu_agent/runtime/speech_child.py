"""Speaks with exported voices: a long-lived child of the agent, without network.

Reads one request a line on stdin, {"id", "model", "config", "out", "text",
"speaker", "length_scale", "noise_scale", "noise_w_scale"}, writes the WAV to
`out` and answers one line: {"op": "spoken", "id"} or
{"op": "declined", "id", "code", "message"}.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

from gpu_agent.engines.base import JobFailed
from gpu_agent.engines.piper.speech import Speaker


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print goes to the log
    speaker = Speaker()
    for line in sys.stdin:
        serve(speaker, json.loads(line), answers)


def serve(speaker: Speaker, request: dict[str, Any], answers: TextIO) -> None:
    answer: dict[str, Any] = {"op": "spoken", "id": request["id"]}
    try:
        audio = speaker.speak(
            Path(request["model"]),
            Path(request["config"]),
            request["text"],
            speaker=request["speaker"],
            length_scale=request["length_scale"],
            noise_scale=request["noise_scale"],
            noise_w_scale=request["noise_w_scale"],
        )
        Path(request["out"]).write_bytes(audio)
    except JobFailed as refusal:
        answer |= {"op": "declined", "code": refusal.code, "message": refusal.message}
    except Exception:
        traceback.print_exc()
        answer |= {
            "op": "declined",
            "code": "internal",
            "message": "The voice could not speak this text on the agent; see its log.",
        }
    answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
