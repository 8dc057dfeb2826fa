"""The recordings that come with Syrinx, for a first look."""

from __future__ import annotations

from pathlib import Path

from django.core.files import File
from django.core.files.uploadedfile import UploadedFile

from web.accounts.models import Team, User
from web.datasets.actions import add_files, create_dataset
from web.datasets.models import Dataset

FOLDER = Path(__file__).parent / "sample"
NAME = "Sample"
LANGUAGE = "en-us"


def load_sample(user: User, team: Team) -> Dataset:
    """A new dataset with the bundled recordings and their texts, not checked yet."""
    taken = set(Dataset.objects.filter(team=team).values_list("name", flat=True))
    names = [NAME, *(f"{NAME} {number}" for number in range(2, len(taken) + 3))]
    dataset = create_dataset(user, team, next(n for n in names if n not in taken), LANGUAGE)
    paths = [FOLDER / "metadata.csv", *sorted((FOLDER / "wavs").iterdir())]
    opened = [path.open("rb") for path in paths]
    try:
        files = [
            UploadedFile(File(file), name=path.name, size=path.stat().st_size)
            for path, file in zip(paths, opened, strict=True)
        ]
        add_files(user, dataset, files)
    finally:
        for file in opened:
            file.close()
    return dataset
