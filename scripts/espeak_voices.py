"""Write web/datasets/languages.py from the espeak-ng inside the wheel piper-tts.

The portal may not import piper, so it keeps a plain list. `--check` only compares.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import piper
from piper import espeakbridge

DATA = Path(piper.__file__).parent / "espeak-ng-data"
TARGET = Path(__file__).resolve().parent.parent / "web" / "datasets" / "languages.py"
USUAL_PRIORITY = 5
HEAD = '''"""The languages that a dataset can have. Written by scripts/espeak_voices.py: don't edit.

The voices of the espeak-ng inside piper-tts that it accepts by name and has a
dictionary for, with their English names; and other names that espeak-ng gives
them but doesn't accept.
"""

from __future__ import annotations

'''


def render() -> str:
    """The module's text."""
    espeakbridge.initialize(str(DATA))
    voices: dict[str, str] = {}
    aliases: dict[str, tuple[int, str]] = {}
    for path in sorted(each for each in (DATA / "lang").rglob("*") if each.is_file()):
        text = path.read_text(encoding="utf-8")
        code = path.name.lower()
        if not speaks(code):
            continue
        name = re.search(r"^name\s+(.*?)\s*(?://.*)?$", text, re.MULTILINE)
        voices[code] = name[1] if name else code
        for other, priority in re.findall(r"^language\s+(\S+)\s*(\d*)", text, re.MULTILINE):
            rank = int(priority or USUAL_PRIORITY)
            if not speaks(other.lower()) and rank < aliases.get(other.lower(), (99, ""))[0]:
                aliases[other.lower()] = (rank, code)
    in_order = sorted(voices.items(), key=lambda item: (item[1].casefold(), item[0]))
    rows = "".join(f"    {entry!r},\n" for entry in in_order)
    others = "".join(f"    {name!r}: {aliases[name][1]!r},\n" for name in sorted(aliases))
    source = f"{HEAD}LANGUAGES = (\n{rows})\n\nALIASES = {{\n{others}}}\n"
    command = ["ruff", "format", "--quiet", "--stdin-filename", str(TARGET), "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


def speaks(code: str) -> bool:
    """Whether espeak-ng takes the voice and can read all of its data.

    It says only on stderr, from C, that a dictionary is missing.
    """
    kept = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            espeakbridge.set_voice(code)
        except RuntimeError:
            return False
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        said.seek(0)
        return not said.read().strip()


def main() -> int:
    text = render()
    if "--check" in sys.argv:
        if TARGET.read_text(encoding="utf-8") != text:
            print(f"{TARGET.name} is out of date: run scripts/espeak_voices.py")
            return 1
        return 0
    TARGET.write_text(text, encoding="utf-8")
    print(f"wrote {TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
