"""A published ONNX voice back into the model's parameters.

Most initialisers still carry their module's name. The rest is found by its place:

- a weight that the exporter folded (`onnx::Conv_8168`) belongs to the module that the
  bias of the same node names;
- the phoneme embedding is the table of the node `/enc_p/emb/Gather` (and the speaker
  embedding that of `/emb_g/Gather`), whatever name it was given;
- `dp.flows.0` computes `(x - m) * exp(-logs)`, and exp(-logs) or -logs was folded;
- a weight-normed module gets `v = w` and `g = |w|` over all but the first axis, which
  makes the same weight.

Names may begin with `model_g.`, as in the voices that we export.

What only training uses is not in the file: `enc_q.*`, `dp.post_*`, `dp.flows.1.*`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gpu_agent.engines.base import JobFailed

TRAINING_ONLY = ("enc_q.", "dp.post_", "dp.flows.1.")
_EMBEDDINGS = {"/enc_p/emb/Gather": "enc_p.emb.weight", "/emb_g/Gather": "emb_g.weight"}
_WRAPPER = "model_g."
_INPUTS = {"input", "input_lengths", "scales"}


def read_graph(path: Path) -> Any:
    """The ONNX model. Raises `JobFailed`: `onnx_unreadable`, `onnx_external_data`,
    `onnx_not_piper`."""
    import onnx

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's own errors, by backend
        raise JobFailed(
            "onnx_unreadable",
            "This file is no ONNX model, or is damaged. Download the voice's .onnx again.",
        ) from error
    external = onnx.TensorProto.DataLocation.Value("EXTERNAL")
    if any(tensor.data_location == external for tensor in model.graph.initializer):
        raise JobFailed(
            "onnx_external_data",
            "This ONNX model keeps its weights in other files. Save it as a single file "
            "(onnx.save with save_as_external_data=False) and upload that.",
        )
    _strip(model.graph)
    names = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name for value in model.graph.input} - names
    if not inputs >= _INPUTS or not any(name.startswith("dec.conv_pre.") for name in names):
        raise JobFailed(
            "onnx_not_piper",
            "This is an ONNX model, but no Piper voice: it lacks Piper's inputs or its decoder. "
            "Choose the .onnx of a Piper voice.",
        )
    return model


def _strip(graph: Any) -> None:
    """The exporter's wrapper off every name of a parameter."""
    for tensor in graph.initializer:
        tensor.name = tensor.name.removeprefix(_WRAPPER)
    for node in graph.node:
        node.input[:] = [name.removeprefix(_WRAPPER) for name in node.input]
        node.output[:] = [name.removeprefix(_WRAPPER) for name in node.output]


def parameters(graph: Any, wanted: Iterable[str]) -> dict[str, torch.Tensor]:
    """Tensors of the generator by the names in `wanted` (those of `SynthesizerTrn`).

    Raises `JobFailed('onnx_incomplete')` when one is missing that a voice must have.
    """
    wanted = list(wanted)
    weights = _Weights(graph, wanted)
    weights.take_named()
    weights.take_folded()
    weights.take_embeddings()
    weights.take_affine()
    missing = [
        name for name in wanted if name not in weights.found and not name.startswith(TRAINING_ONLY)
    ]
    if missing:
        raise JobFailed(
            "onnx_incomplete",
            f"{len(missing)} of the voice's tensors could not be found in the ONNX file, among "
            f"them {missing[0]}. It was exported in a way that we do not know; choose another "
            "voice, or its checkpoint.",
        )
    return weights.found


class _Weights:
    def __init__(self, graph: Any, wanted: Iterable[str]) -> None:
        from onnx import numpy_helper

        self.nodes = list(graph.node)
        self.arrays: dict[str, Any] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        # Equal tensors are stored once, the others are an Identity of it.
        for node in self.nodes:
            if node.op_type == "Identity" and node.input[0] in self.arrays:
                self.arrays[node.output[0]] = self.arrays[node.input[0]]
            elif node.op_type == "Constant" and node.attribute[0].name == "value":
                self.arrays[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
        self.wanted = set(wanted)
        self.found: dict[str, torch.Tensor] = {}

    def take_named(self) -> None:
        for name, array in self.arrays.items():
            self._put(name, array)

    def take_folded(self) -> None:
        for node in self.nodes:
            if node.op_type not in ("Conv", "ConvTranspose") or len(node.input) < 2:
                continue
            for module in _module_names(node):
                if node.input[1] in self.arrays:
                    self._put(f"{module}.weight", self.arrays[node.input[1]])

    def take_embeddings(self) -> None:
        for node in self.nodes:
            name = _EMBEDDINGS.get(node.name)
            if name and node.input[0] in self.arrays:
                self._put(name, self.arrays[node.input[0]])

    def take_affine(self) -> None:
        """`dp.flows.0.logs` from the factor that follows the subtraction of `m`."""
        differences = {
            node.output[0]
            for node in self.nodes
            if node.op_type == "Sub" and "dp.flows.0.m" in node.input
        }
        exponents = {node.output[0]: node.input[0] for node in self.nodes if node.op_type == "Exp"}
        for node in self.nodes:
            if node.op_type == "Mul" and differences & set(node.input):
                for name in node.input:
                    if name in self.arrays:
                        self._put("dp.flows.0.logs", -np.log(self.arrays[name]))
                    elif exponents.get(name) in self.arrays:
                        self._put("dp.flows.0.logs", -self.arrays[exponents[name]])

    def _put(self, name: str, array: Any) -> None:
        """Under its name, or split in two where the module is weight-normed."""
        value = torch.from_numpy(np.array(array))
        if name in self.wanted:
            self.found.setdefault(name, value)
        elif f"{name}_v" in self.wanted and f"{name}_v" not in self.found:
            axes = tuple(range(1, value.dim()))
            self.found[f"{name}_v"] = value
            self.found[f"{name}_g"] = value.norm(dim=axes, keepdim=True)


def _module_names(node: Any) -> list[str]:
    """The module of a convolution: by its bias, else by its scope (`/dec/ups.0/Conv…`)."""
    names = []
    if len(node.input) > 2 and node.input[2].endswith(".bias"):
        names.append(node.input[2].removesuffix(".bias"))
    if node.name.startswith("/"):
        names.append(".".join(node.name.strip("/").split("/")[:-1]))
    return names


def symbols_and_speakers(graph: Any) -> tuple[int, int]:
    """By the shapes of the embeddings; no symbols when the phonemes' is not found."""
    weights = _Weights(graph, set(_EMBEDDINGS.values()))
    weights.take_named()
    weights.take_embeddings()
    phonemes, speakers = (weights.found.get(name) for name in _EMBEDDINGS.values())
    return 0 if phonemes is None else len(phonemes), 1 if speakers is None else len(speakers)
