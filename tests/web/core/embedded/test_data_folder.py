from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from web.core.embedded import CannotStart, data_folder
from web.core.embedded.data_folder import DataFolder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_folder_is_made_for_this_user_alone(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a new" / "folder")
    # Root's may be passed through, by Postgres, which must not run as root; but not listed.
    assert mode(folder.path) == (0o711 if os.geteuid() == 0 else 0o700)
    assert mode(folder.secrets.folder) == mode(folder.logs) == 0o700


def test_secrets_are_private_and_stay_the_same(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    secret = folder.secrets.get("postgres")
    assert folder.secrets.get("postgres") == secret
    assert folder.secrets.get("nats") != secret
    assert mode(folder.secrets.folder / "postgres") == 0o600


def test_a_second_start_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    first = DataFolder(tmp_path)
    with pytest.raises(CannotStart, match=f"running on .* already .process {os.getpid()}.*Stop"):
        DataFolder(tmp_path)
    first.release()
    DataFolder(tmp_path).release()


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(CannotStart, match="holds other files"):
        DataFolder(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_not_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CannotStart, match="is not a folder"):
            DataFolder(path)


def test_a_folder_of_another_layout_is_refused(tmp_path: Path) -> None:
    (tmp_path / "syrinx.json").write_text(json.dumps({"layout": 99}))
    with pytest.raises(CannotStart, match="another version of Syrinx"):
        DataFolder(tmp_path)


def test_a_damaged_mark_is_said(tmp_path: Path) -> None:
    (tmp_path / "syrinx.json").write_text("{")
    with pytest.raises(CannotStart, match="is damaged"):
        DataFolder(tmp_path)


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "MINIMUM_BYTES", 10**18)
    with pytest.raises(CannotStart, match=r"MB are free .* Free some space"):
        DataFolder(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    DataFolder(tmp_path).release()
    os.chown(tmp_path, 65534, 65534)
    with pytest.raises(CannotStart, match="belongs to another user"):
        DataFolder(tmp_path)
