"""Ways to train, in words; each says why its numbers are what they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    key: str
    title: str
    summary: str
    needs_base: bool
    prefers_gpu: bool
    params: dict[str, Any]


_COMMON: dict[str, Any] = {
    "quality": "medium",
    "max_steps": 0,
    "max_epochs": 0,
    "max_minutes": 0,
    # VITS: https://github.com/jaywalnut310/vits/blob/main/configs/ljs_base.json
    "learning_rate": 2e-4,
    "lr_decay": 0.999875,
    "segment_size": 8192,
    "seed": 1234,
    "checkpoint_minutes": 5.0,
    "keep_checkpoints": 3,
    "validation_split": 0.05,
    "sample_every_steps": 0,
    "adversarial": True,
    "warmup_steps": 0,
    "batch_size": 32,
    "threads": 0,
}

PRESETS = {
    preset.key: preset
    for preset in (
        Preset(
            "fine-tune",
            "Fine-tune",
            "The usual choice: starts from a base voice and learns yours.",
            needs_base=True,
            prefers_gpu=True,
            # An imported base first recovers what an ONNX file lacks (600 steps
            # were enough on 15 minutes of another speaker), then all of it learns, at half
            # the rate of a training from nothing, since most of it is right already.
            params={**_COMMON, "max_steps": 8000, "warmup_steps": 600, "learning_rate": 1e-4},
        ),
        Preset(
            "from-scratch",
            "From scratch",
            "For a language that no base voice speaks. Needs hours of recordings and a day of GPU.",
            needs_base=False,
            prefers_gpu=True,
            params={**_COMMON, "max_steps": 300_000},
        ),
        Preset(
            "quick",
            "Quick look",
            "A short fine-tune to hear whether the recordings work. Expect a rough voice.",
            needs_base=True,
            prefers_gpu=True,
            # At the full rate: the sooner it sounds like the speaker, the sooner one knows.
            params={**_COMMON, "max_steps": 2000, "warmup_steps": 600, "checkpoint_minutes": 3.0},
        ),
        Preset(
            "cpu",
            "On the CPU",
            "Without a GPU: a handful of steps that show that everything works. The voice stays "
            "close to the base voice.",
            needs_base=True,
            prefers_gpu=False,
            # The discriminators are most of a CPU's step, and in so few steps they could
            # only teach noise: reconstruction alone, at a rate too low to harm what the
            # base already speaks. Most steps warm up the posterior encoder, which an ONNX
            # base lacks: a raw one would pull the rest astray.
            params={
                **_COMMON,
                "max_steps": 40,
                "max_minutes": 5.0,
                "batch_size": 4,
                "adversarial": False,
                "learning_rate": 1e-5,
                "warmup_steps": 30,
                "keep_checkpoints": 2,
            },
        ),
    )
}

# Rendered at every checkpoint unless the person gives their own: short, common,
# and between them a question, an exclamation and plain statements.
SENTENCES = {
    "en": (
        "The quick brown fox jumps over the lazy dog.",
        "How are you today?",
        "Welcome home! The lights are on and the door is locked.",
    ),
    "de": (
        "Guten Morgen, wie geht es dir heute?",
        "Das Wetter ist schön, und die Vögel singen im Garten.",
        "Willkommen zu Hause!",
    ),
    "fr": (
        "Bonjour, comment allez-vous aujourd'hui ?",
        "Le soleil brille et les oiseaux chantent dans le jardin.",
        "Bienvenue à la maison !",
    ),
    "es": (
        "Buenos días, ¿cómo estás hoy?",
        "El sol brilla y los pájaros cantan en el jardín.",
        "¡Bienvenido a casa!",
    ),
    "it": (
        "Buongiorno, come stai oggi?",
        "Il sole splende e gli uccelli cantano in giardino.",
        "Benvenuto a casa!",
    ),
    "nl": (
        "Goedemorgen, hoe gaat het vandaag met je?",
        "De zon schijnt en de vogels zingen in de tuin.",
        "Welkom thuis!",
    ),
}
