"""Where output may go, and how it appears there: complete or not at all, leaving nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from napari_cryoinr import OutputError
from napari_cryoinr.support.atomic_files import replacing, temporary_folder, write_bytes
from napari_cryoinr.support.output_paths import check_output

MAPS = {"suffixes": (".mrc", ".map"), "compressions": (".gz",)}


def test_fitting_outputs_are_allowed(tmp_path: Path) -> None:
    for name in ("a.mrc", "a.MRC", "a.b.map", "a.map.gz"):
        assert check_output(str(tmp_path / name), **MAPS) == tmp_path / name
    check_output(tmp_path / "anything")
    (tmp_path / "b.mrc").write_bytes(b"")
    check_output(tmp_path / "b.mrc", overwrite=True, inputs=[tmp_path / "a.mrc", tmp_path])


def link_of(kind: str, folder: Path) -> Path:
    """A file `in.mrc`, and another way to it."""
    source = folder / "in.mrc"
    source.write_bytes(b"kept")
    if kind == "itself":
        return source
    if kind == "another spelling":
        return folder / ".." / folder.name / "in.mrc"
    if kind == "through a linked folder":
        (folder / "linked").symlink_to(folder)
        return folder / "linked" / "in.mrc"
    (os.symlink if kind == "symbolic link" else os.link)(source, folder / "link.mrc")
    return folder / "link.mrc"


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@pytest.mark.parametrize(
    "kind", ["itself", "another spelling", "through a linked folder", "symbolic link", "hard link"]
)
def test_an_input_is_never_an_output(tmp_path: Path, kind: str) -> None:
    out = link_of(kind, tmp_path)
    with pytest.raises(OutputError, match="is the input"):
        check_output(out, inputs=[tmp_path / "other.mrc", tmp_path / "in.mrc"], overwrite=True)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("out.tif", r"the name must end in \.mrc or \.map, also with \.gz after it"),
        ("out.mrc.xz", "must end in"),
        ("out.gz", "must end in"),
        (".mrc", "must end in"),
        ("there.mrc", "exists already.*--overwrite"),
        ("folder", "is a folder"),
        ("none/out.mrc", "none does not exist; make it first"),
    ],
)
def test_outputs_that_would_lose_data_or_surprise(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "there.mrc").write_bytes(b"kept")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match=words) as refused:
        check_output(tmp_path / name, **MAPS)
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(not Path("/dev/null").is_char_device(), reason="no such device")
def test_devices_are_not_replaced() -> None:
    with pytest.raises(OutputError, match="not an ordinary file"):
        check_output("/dev/null", overwrite=True)


# -------------------------------------------------------------------------------- atomic files


def test_a_failed_or_cancelled_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")
    for error in (OSError, KeyboardInterrupt, GeneratorExit):
        with pytest.raises(error), replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise error
        assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"]


@pytest.mark.parametrize(
    "name", ["n" * 255, "n" * 251 + ".mrc", "é" * 125 + ".cinr", "a." + "s" * 253]
)
def test_names_may_be_as_long_as_the_system_allows(tmp_path: Path, name: str) -> None:
    write_bytes(tmp_path / name, b"1")
    write_bytes(tmp_path / name, b"2")
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"2"]


def test_permissions_are_the_usual_ones_or_those_of_the_file_that_was_there(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    write_bytes(tmp_path / "new", b"")
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "usual").stat().st_mode
    (tmp_path / "new").chmod(0o600)
    write_bytes(tmp_path / "new", b"")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o600


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/target")
    write_bytes(tmp_path / "link", b"through")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "folder" / "target").read_bytes() == b"through"


def test_a_temporary_folder_goes_with_what_is_in_it() -> None:
    with temporary_folder() as folder:
        (folder / "inside").mkdir()
        (folder / "inside" / "file").write_bytes(b"")
    assert not folder.exists()


# What a process has open when it is killed; it says so first.
KILLED = """
import contextlib, sys, time
from pathlib import Path
from napari_cryoinr.support.atomic_files import replacing, temporary_folder
with contextlib.ExitStack() as stack:
    stack.enter_context(replacing(Path(sys.argv[1]) / "out.cinr"))
    (stack.enter_context(temporary_folder()) / "data").write_bytes(b"data")
    print("open", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def start_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], subprocess.Popen[bytes]]:
    """Starts a process with a temporary file in `files` and a folder in `temporary`."""
    for name in ("files", "temporary"):
        (tmp_path / name).mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))

    def start() -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", KILLED, str(tmp_path / "files")]
        environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        return process

    return start


@pytest.mark.skipif(os.name == "nt", reason="whether a process lives is not asked there")
def test_what_killed_processes_left_is_cleared_and_nothing_else(
    tmp_path: Path, start_writer: Callable[[], subprocess.Popen[bytes]]
) -> None:
    files, temporary = tmp_path / "files", tmp_path / "temporary"
    with start_writer() as killed, start_writer() as living:
        killed.kill()
        killed.wait()
        strangers = [files / ".cinr-1.part", files / ".cryoinr-0-1-0.part", temporary / "cryoinr-"]
        for path in strangers:
            path.mkdir() if path.parent == temporary else path.touch()
        before = {*files.iterdir(), *temporary.iterdir()}
        assert len(before) == 7
        write_bytes(files / "next.cinr", b"")
        with temporary_folder() as own:
            left = {*files.iterdir(), *temporary.iterdir()} - {own, files / "next.cinr"}
        assert left < before
        gone = before - left
        assert sorted(path.parent.name for path in gone) == ["files", "temporary"]
        assert all(f"-{killed.pid}-" in path.name for path in gone)
        living.kill()
