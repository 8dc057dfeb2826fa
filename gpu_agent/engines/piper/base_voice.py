"""A base voice from an ONNX file or a checkpoint: safetensors, a config and a sample."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP
from safetensors.torch import save_file

from gpu_agent.engines.base import SAMPLE_RATES, ImportedBase, JobFailed
from gpu_agent.engines.phonemizer import check_language, espeak_voices
from gpu_agent.engines.piper import checkpoints, compare, model, onnx_import, rendering
from gpu_agent.engines.piper import voice_config as configs

# Numbers are read out by every language in its own words.
SAMPLE_TEXT = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10."
ENGLISH_SAMPLE_TEXT = "The quick brown fox jumps over the lazy dog."


def from_onnx(onnx: Path, config: Path, folder: Path, card: Path | None = None) -> ImportedBase:
    """Raises `JobFailed` for anything that is not a complete Piper voice, and
    `import_mismatch` when the result doesn't sound as the file does."""
    graph = onnx_import.read_graph(onnx).graph
    source = configs.read(config)
    language = _espeak_voice(source["espeak"]["voice"])
    quality = _quality(source)
    speakers = source["num_speakers"]
    symbols, said = onnx_import.symbols_and_speakers(graph)
    if symbols and (symbols, said) != (source["num_symbols"], speakers):
        raise JobFailed(
            "config_contradicts",
            f"The .onnx.json says {source['num_symbols']} symbols and {speakers} speakers, the "
            f"model has {symbols} and {said}. Take the two files of the same voice.",
        )
    built = model.skeleton(
        model.architecture(quality, num_symbols=source["num_symbols"], num_speakers=speakers)
    )
    names = [name.removeprefix("model_g.") for name in _generator(built)]
    found = onnx_import.parameters(graph, names)
    state = {f"model_g.{name}": tensor for name, tensor in found.items()}
    filled = model.fill(built, state)
    ids = _sample_ids(language, source["phoneme_id_map"])
    distance = compare.difference(built.model_g, onnx, ids, speakers)
    if distance is None or distance > compare.TOLERANCE:
        raise JobFailed(
            "import_mismatch",
            "The imported parameters do not give the same audio as the ONNX file "
            f"(difference {distance}). The voice is built in a way that we do not know; "
            "choose another one, or its checkpoint.",
        )
    return _save(built, filled, state, source, language, quality, folder, _licence(card), distance)


def from_checkpoint(
    checkpoint: Path, folder: Path, config: Path | None = None, card: Path | None = None
) -> ImportedBase:
    """From a Lightning checkpoint, today's or rhasspy's. What it says about itself decides;
    a `config` (its config.json), when there is one, gives language and phoneme map."""
    content = checkpoints.load(checkpoint)
    built = checkpoints.model_from(content)
    note = checkpoints.note_of(content)
    h: Any = built.hparams
    source: dict[str, Any]
    if config is not None:
        source = configs.read(config)
    else:
        source = {
            "espeak": {"voice": note.get("language", "en-us")},
            "audio": {"sample_rate": h.sample_rate},
            "phoneme_id_map": note.get("phoneme_id_map", DEFAULT_PHONEME_ID_MAP),
            "dataset": note.get("dataset", ""),
        }
    source |= {"num_symbols": h.num_symbols, "num_speakers": h.num_speakers}
    filled = model.fill(built, content["state_dict"])
    quality = note.get("quality") or _quality_by_shape(built)
    language = _espeak_voice(source["espeak"]["voice"])
    tensors = content["state_dict"]
    return _save(built, filled, tensors, source, language, quality, folder, _licence(card), 0.0)


def _save(
    built: model.TrainingModel,
    filled: model.Filled,
    tensors: Mapping[str, torch.Tensor],
    source: Mapping[str, Any],
    language: str,
    quality: str,
    folder: Path,
    licence: str,
    distance: float,
) -> ImportedBase:
    folder.mkdir(parents=True, exist_ok=True)
    weights, config, sample = (
        folder / name for name in ("weights.safetensors", "config.json", "base_sample.wav")
    )
    save_file({name: tensors[name].contiguous().clone() for name in filled.found}, weights)
    h: Any = built.hparams
    configs.write(
        config,
        configs.complete(
            language=language,
            dataset=str(source.get("dataset", "")),
            quality=quality,
            sample_rate=h.sample_rate,
            num_symbols=h.num_symbols,
            num_speakers=h.num_speakers,
            phoneme_id_map=source["phoneme_id_map"],
            hop_length=h.hop_length,
            speaker_id_map=source.get("speaker_id_map"),
            inference=source.get("inference"),
        ),
    )
    with rendering.aside(built, seed=0):
        audio = rendering.speak(built, _sample_ids(language, source["phoneme_id_map"]))
    rendering.write_wav(sample, audio, h.sample_rate)
    return ImportedBase(
        weights=weights,
        config=config,
        sample=sample,
        language=language,
        quality=quality,
        sample_rate=h.sample_rate,
        num_speakers=h.num_speakers,
        num_symbols=h.num_symbols,
        parameters_found=len(filled.found),
        parameters_fresh=len(filled.fresh),
        max_difference=distance,
        licence=licence,
    )


def _generator(built: torch.nn.Module) -> list[str]:
    return [name for name in built.state_dict() if name.startswith("model_g.")]


def _espeak_voice(name: str) -> str:
    """Today's name of a language that an older config may call by an alias (`fr-fr`)."""
    for voice in espeak_voices():
        if name == voice.language:
            return name
    for voice in espeak_voices():
        if name.lower() in voice.aliases:
            return voice.language
    check_language(name)
    return name


def _quality(source: Mapping[str, Any]) -> str:
    quality = source["audio"].get("quality")
    rate = source["audio"]["sample_rate"]
    if quality is None:
        return "low" if rate == SAMPLE_RATES["low"] else "medium"
    if quality not in SAMPLE_RATES or SAMPLE_RATES[quality] != rate:
        raise JobFailed(
            "config_contradicts",
            f"The .onnx.json says quality “{quality}” at {rate} Hz, which Piper does not have. "
            "Take the .onnx.json that was published together with the .onnx.",
        )
    return str(quality)


def _quality_by_shape(built: model.TrainingModel) -> str:
    h: Any = built.hparams
    if h.sample_rate == SAMPLE_RATES["low"]:
        return "x_low" if h.hidden_channels == 96 else "low"
    return "high" if str(h.resblock) == "1" else "medium"


def _sample_ids(language: str, id_map: Mapping[str, Any]) -> list[list[int]]:
    text = ENGLISH_SAMPLE_TEXT if language.startswith("en") else SAMPLE_TEXT
    return rendering.sentence_ids(text, language, id_map)


def _licence(card: Path | None) -> str:
    """The line of a Piper MODEL_CARD, such as `* License: CC0`."""
    if card is None:
        return ""
    text = card.read_text(encoding="utf-8", errors="replace")[:100_000]
    match = re.search(r"licen[cs]e:?\**\s*:?\s*(\S.*)", text, re.IGNORECASE)
    return match[1].strip()[:200] if match else ""
