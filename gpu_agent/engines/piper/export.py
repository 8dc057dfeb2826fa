"""A checkpoint into a voice: `<stem>.onnx` and a complete `<stem>.onnx.json`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from piper.phoneme_ids import DEFAULT_PHONEME_ID_MAP

from gpu_agent.engines.base import Exported, JobFailed
from gpu_agent.engines.piper import checkpoints, compare, rendering, voice_config
from gpu_agent.engines.piper.languages import language as piper_language

OPSET = 15  # upstream's
TOLERANCE = 1e-3  # a waveform of a young voice is rough, and its rounding errors larger
TRACED_LENGTH = 50  # phonemes of the example that the exporter traces, as upstream


def stem(language: str, voice_name: str, quality: str) -> str:
    """`en_US-ada-medium`, as `piper` and Home Assistant expect voices to be called."""
    if not re.fullmatch(r"[a-z0-9_]{1,64}", voice_name):
        raise JobFailed(
            "voice_name_invalid",
            f"“{voice_name}” cannot be a voice's name; use small letters, digits and _.",
        )
    return f"{piper_language(language).code}-{voice_name}-{quality}"


def export(
    checkpoint: Path,
    *,
    language: str,
    voice_name: str,
    quality: str,
    dataset: str,
    sentences: Sequence[str],
    folder: Path,
) -> Exported:
    """Raises `JobFailed('export_mismatch')` when the file doesn't say what torch says."""
    content = checkpoints.load(checkpoint)
    note = checkpoints.note_of(content)
    built = checkpoints.model_from(content)
    h: Any = built.hparams
    id_map = note.get("phoneme_id_map", DEFAULT_PHONEME_ID_MAP)
    name = stem(language, voice_name, quality)
    folder.mkdir(parents=True, exist_ok=True)
    onnx, config = folder / f"{name}.onnx", folder / f"{name}.onnx.json"
    write_onnx(built.model_g, onnx)
    voice_config.write(
        config,
        voice_config.complete(
            language=language,
            dataset=dataset,
            quality=quality,
            sample_rate=h.sample_rate,
            num_symbols=h.num_symbols,
            num_speakers=h.num_speakers,
            phoneme_id_map=id_map,
            hop_length=h.hop_length,
        ),
    )
    ids = [ids for text in sentences for ids in rendering.sentence_ids(text, language, id_map)]
    distance = compare.difference(built.model_g, onnx, ids, h.num_speakers)
    if distance is None or distance > TOLERANCE:
        raise JobFailed(
            "export_mismatch",
            f"The exported voice does not say what the trained one says (difference {distance}). "
            "Export it again from another checkpoint; if that fails too, tell the administrator.",
        )
    return Exported(
        stem=name,
        onnx=onnx,
        config=config,
        steps=int(note.get("step", content.get("global_step", 0))),
        epochs=int(note.get("epoch", content.get("epoch", 0))),
        scores=dict(note.get("scores", {})),
        sample_rate=h.sample_rate,
        num_speakers=h.num_speakers,
        max_difference=distance,
    )


def write_onnx(model_g: Any, path: Path) -> None:
    """As `piper.train.export_onnx`, but by the TorchScript exporter: torch's newer default
    fails on this model. Removes the decoder's weight norm, so the model is for inference
    afterwards."""
    model_g.eval()
    with torch.no_grad():
        model_g.dec.remove_weight_norm()
    sequences = torch.randint(0, model_g.n_vocab, (1, TRACED_LENGTH), dtype=torch.int64)
    arguments: tuple[Any, ...] = (
        sequences,
        torch.tensor([TRACED_LENGTH]),
        torch.tensor([0.667, 1.0, 0.8]),
        torch.zeros(1, dtype=torch.int64) if model_g.n_speakers > 1 else None,
    )
    with warnings.catch_warnings():
        # The tracer warns of every shape that it takes for a constant; none of them varies.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Inference(model_g),
            arguments,
            str(path),
            dynamo=False,
            verbose=False,
            opset_version=OPSET,
            input_names=["input", "input_lengths", "scales", "sid"],
            output_names=["output"],
            dynamic_axes={
                "input": {0: "batch_size", 1: "phonemes"},
                "input_lengths": {0: "batch_size"},
                "output": {0: "batch_size", 2: "time"},
            },
        )


class _Inference(torch.nn.Module):
    """The runtime's signature around `SynthesizerTrn.infer`."""

    def __init__(self, model_g: torch.nn.Module) -> None:
        super().__init__()
        self.model_g = model_g

    def forward(
        self, text: torch.Tensor, lengths: torch.Tensor, scales: torch.Tensor, sid: Any = None
    ) -> torch.Tensor:
        infer: Any = self.model_g.infer
        audio: torch.Tensor = infer(
            text,
            lengths,
            noise_scale=scales[0],
            length_scale=scales[1],
            noise_scale_w=scales[2],
            sid=sid,
        )[0]
        return audio.unsqueeze(1)
