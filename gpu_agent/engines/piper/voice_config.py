"""The `.onnx.json` of a voice: reading one that a user brought, writing a complete one."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gpu_agent.engines.base import JobFailed
from gpu_agent.engines.piper.languages import language as piper_language

MAX_CONFIG_BYTES = 1024 * 1024  # published ones have 5 to 30 KB


def read(path: Path) -> dict[str, Any]:
    """A Piper voice's config, its needed fields present and of the right type.

    Raises `JobFailed('config_invalid')`, naming the field.
    """
    if path.stat().st_size > MAX_CONFIG_BYTES:
        raise _invalid("it is larger than any voice config")
    try:
        config = json.loads(path.read_bytes().decode("utf-8-sig"))
    except ValueError as error:
        raise _invalid("it is not JSON") from error
    if not isinstance(config, dict):
        raise _invalid("it is not a JSON object")
    rate = _field(config, "audio", "sample_rate")
    if not isinstance(rate, int) or not 8000 <= rate <= 48000:
        raise _invalid("audio.sample_rate is not a rate in Hz")
    if not isinstance(_field(config, "espeak", "voice"), str):
        raise _invalid("espeak.voice is not a language")
    if config.get("phoneme_type", "espeak") != "espeak":
        raise JobFailed(
            "phonemes_unsupported",
            f"The voice uses “{config['phoneme_type']}” phonemes; only espeak voices can be "
            "a base here. Choose another voice.",
        )
    _check_id_map(config)
    for name in ("num_symbols", "num_speakers"):
        if not isinstance(config.get(name), int) or config[name] < 1:
            raise _invalid(f"{name} is missing or no positive number")
    if max(max(ids) for ids in config["phoneme_id_map"].values()) >= config["num_symbols"]:
        raise _invalid("its phoneme_id_map has ids beyond num_symbols")
    return config


def complete(
    *,
    language: str,
    dataset: str,
    quality: str,
    sample_rate: int,
    num_symbols: int,
    num_speakers: int,
    phoneme_id_map: Mapping[str, Any],
    hop_length: int,
    speaker_id_map: Mapping[str, int] | None = None,
    inference: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """A config with all that the runtimes ask for; `language` is an espeak-ng voice."""
    return {
        "audio": {"sample_rate": sample_rate, "quality": quality},
        "espeak": {"voice": language},
        "language": piper_language(language).as_config(),
        "dataset": dataset,
        "inference": dict(inference or {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8}),
        "phoneme_type": "espeak",
        "phoneme_map": {},
        "phoneme_id_map": {name: list(ids) for name, ids in phoneme_id_map.items()},
        "num_symbols": num_symbols,
        "num_speakers": num_speakers,
        "speaker_id_map": dict(speaker_id_map or {}),
        "hop_length": hop_length,
        "piper_version": importlib.metadata.version("piper-tts"),
    }


def write(path: Path, config: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(config, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _check_id_map(config: Mapping[str, Any]) -> None:
    id_map = config.get("phoneme_id_map")
    if not isinstance(id_map, dict) or not {"_", "^", "$"} <= set(id_map):
        raise _invalid("phoneme_id_map is missing, or lacks the marks _ ^ $")
    for ids in id_map.values():
        if not isinstance(ids, list) or not ids or not all(isinstance(i, int) for i in ids):
            raise _invalid("phoneme_id_map has an entry that is no list of numbers")


def _field(config: Mapping[str, Any], *names: str) -> Any:
    value: Any = config
    for name in names:
        if not isinstance(value, dict) or name not in value:
            raise _invalid(f"{'.'.join(names)} is missing")
        value = value[name]
    return value


def _invalid(what: str) -> JobFailed:
    return JobFailed(
        "config_invalid",
        f"The .onnx.json is no Piper voice config: {what}. "
        "Take the one that was published together with the .onnx.",
    )
