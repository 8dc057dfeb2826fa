"""The proof that an imported voice is the voice, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gpu_agent.engines.base import ImportedBase, JobFailed
from gpu_agent.engines.piper import base_voice, export, model, onnx_import, rendering

TEXT = "The birch canoe slid on the smooth planks."


@pytest.fixture(scope="session")
def imported(
    joe: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[ImportedBase, Path]:
    folder = tmp_path_factory.mktemp("base")
    card = joe[0].parent / "MODEL_CARD"
    return base_voice.from_onnx(*joe, folder, card), folder


@pytest.mark.slow
def test_at_zero_noise_torch_and_the_file_say_the_same(
    imported: tuple[ImportedBase, Path],
) -> None:
    base, _ = imported
    assert base.max_difference <= 1e-4
    assert (base.parameters_found, base.language, base.quality) == (403, "en-us", "medium")
    assert (base.sample_rate, base.num_speakers, base.num_symbols) == (22050, 1, 256)
    assert base.licence == "CC0"
    assert base.sample.stat().st_size > 22050
    config = json.loads(base.config.read_text())
    assert config["language"]["code"] == "en_US" and config["dataset"] == "joe"


@pytest.mark.slow
def test_with_the_same_noise_too(
    imported: tuple[ImportedBase, Path],
    joe: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The file's two sources of noise become inputs, and torch gets the same numbers."""
    import onnx
    import onnxruntime
    from safetensors.torch import load_file

    graph = onnx.load(str(joe[0]))
    sources = [node for node in graph.graph.node if node.op_type == "RandomNormalLike"]
    for node in sources:
        graph.graph.node.remove(node)
        graph.graph.input.append(
            onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None)
        )
    onnx.save(graph, str(tmp_path / "noise.onnx"))
    built = model.skeleton(model.architecture("medium"))
    model.fill(built, load_file(imported[0].weights))
    built.eval()
    id_map = json.loads(joe[1].read_text())["phoneme_id_map"]
    [ids] = rendering.sentence_ids(TEXT, "en-us", id_map)
    drawn: list[torch.Tensor] = []
    generator = torch.Generator().manual_seed(5)

    def draw(*shape: Any, **_: Any) -> torch.Tensor:
        size = shape[0].shape if isinstance(shape[0], torch.Tensor) else shape
        drawn.append(torch.randn_tensor(size))  # type: ignore[attr-defined]
        return drawn[-1]

    honest = torch.randn
    monkeypatch.setattr(
        torch, "randn_tensor", lambda size: honest(size, generator=generator), raising=False
    )
    monkeypatch.setattr(torch, "randn", draw)
    monkeypatch.setattr(torch, "randn_like", draw)
    with torch.no_grad():
        ours = built.model_g.infer(
            torch.tensor([ids]),
            torch.tensor([len(ids)]),
            noise_scale=0.667,
            length_scale=1.0,
            noise_scale_w=0.8,
        )[0].flatten()
    by_shape = {node.output[0]: noise for node, noise in zip(sources, drawn, strict=True)}
    session = onnxruntime.InferenceSession(str(tmp_path / "noise.onnx"))
    theirs = session.run(
        None,
        {
            "input": np.array([ids]),
            "input_lengths": np.array([len(ids)]),
            "scales": np.array([0.667, 1.0, 0.8], np.float32),
            **{name: noise.numpy() for name, noise in by_shape.items()},
        },
    )[0].flatten()
    assert len(ours) == len(theirs) > 22050
    difference = float(np.abs(ours.numpy() - theirs).max())
    print(f"largest difference with noise: {difference:.2e}")
    assert difference <= 1e-4


@pytest.mark.slow
def test_a_voice_that_we_exported_is_a_base_too(
    imported: tuple[ImportedBase, Path], joe: tuple[Path, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    built = model.skeleton(model.architecture("medium"))
    model.fill(built, load_file(imported[0].weights))
    export.write_onnx(built.model_g, tmp_path / "ours.onnx")
    base = base_voice.from_onnx(tmp_path / "ours.onnx", joe[1], tmp_path)
    assert base.max_difference <= 1e-4
    assert base.parameters_found == 403


def edited(joe: tuple[Path, Path], folder: Path, change: Callable[[Any], None]) -> Path:
    import onnx

    graph = onnx.load(str(joe[0]))
    change(graph)
    path = folder / "edited.onnx"
    path.write_bytes(graph.SerializeToString())
    return path


def lose_the_decoder(graph: Any) -> None:
    for tensor in graph.graph.initializer:
        tensor.name = tensor.name.replace("dec.conv_pre", "other")


def lose_a_layer(graph: Any) -> None:
    for tensor in graph.graph.initializer:
        if tensor.name == "enc_p.encoder.attn_layers.3.emb_rel_k":
            tensor.name = "gone"


def point_outside(graph: Any) -> None:
    import onnx

    tensor = graph.graph.initializer[5]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lose_the_decoder, "onnx_not_piper"),
        (lose_a_layer, "onnx_incomplete"),
        (point_outside, "onnx_external_data"),
    ],
)
def test_an_onnx_file_that_is_no_whole_voice_is_refused(
    joe: tuple[Path, Path], tmp_path: Path, change: Callable[[Any], None], code: str
) -> None:
    with pytest.raises(JobFailed) as refused:
        base_voice.from_onnx(edited(joe, tmp_path, change), joe[1], tmp_path)
    assert refused.value.code == code


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x08\x12\x00" * 50])
def test_a_file_that_is_no_onnx_is_refused(
    joe: tuple[Path, Path], tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "not.onnx"
    path.write_bytes(content)
    with pytest.raises(JobFailed) as refused:
        onnx_import.read_graph(path)
    assert refused.value.code in ("onnx_unreadable", "onnx_not_piper")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"num_symbols": 200}, "config_contradicts"),
        ({"num_speakers": 4}, "config_contradicts"),
        ({"audio": {"sample_rate": 16000, "quality": "medium"}}, "config_contradicts"),
        ({"audio": {"sample_rate": 22050, "quality": "high"}}, "onnx_incomplete"),
        ({"audio": {}}, "config_invalid"),
        ({"phoneme_id_map": {"a": [1]}}, "config_invalid"),
        ({"phoneme_type": "text"}, "phonemes_unsupported"),
        ({"espeak": {"voice": "tlh"}}, "language_unknown"),
    ],
)
def test_a_config_that_is_not_the_voices_is_refused(
    joe: tuple[Path, Path], tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    config = tmp_path / "voice.onnx.json"
    config.write_text(json.dumps(json.loads(joe[1].read_text()) | changes))
    with pytest.raises(JobFailed) as refused:
        base_voice.from_onnx(joe[0], config, tmp_path)
    assert refused.value.code == code


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe"])
def test_a_config_that_is_no_json_object_is_refused(
    joe: tuple[Path, Path], tmp_path: Path, content: bytes
) -> None:
    config = tmp_path / "voice.onnx.json"
    config.write_bytes(content)
    with pytest.raises(JobFailed) as refused:
        base_voice.from_onnx(joe[0], config, tmp_path)
    assert refused.value.code == "config_invalid"
