"""Files that claim more than they hold: refused quickly, and within a memory limit."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_cryoinr as cryoinr
from archive_making import header_tree, parts_of, write_parts
from napari_cryoinr.archive.header import deflated_json

MIB = 1 << 20
# Opens a file, reads it in every way within 32 MiB, and prints the most memory that the process
# had, in MiB, and the kind of each outcome.
READER = """
import re, sys
from pathlib import Path
import numpy as np
import napari_cryoinr as cryoinr
def outcome(call):
    try:
        call()
    except cryoinr.CinrError as error:
        assert chr(10) not in str(error)
        return type(error).__name__
    return "read"
def every(member):
    middle = np.array(member.shape) / 2 * member.voxel_size
    yield lambda: member.mrc
    yield lambda: member.read()
    yield lambda: member.read(np.s_[0, 0, :1])
    yield lambda: member.read(level=member.levels - 1)
    yield lambda: member.read(np.s_[:1, :1, :1], level=2)
    yield lambda: member.sample([member.origin + middle])
    yield lambda: member.sample([member.origin, member.origin + 2 * middle])
    yield lambda: cryoinr.drain(member.verify_steps())
found = set()
def read():
    with cryoinr.open_archive(sys.argv[1], memory_limit=32 << 20) as archive:
        for call in every(archive[-1]):
            found.add(outcome(call))
found.add(outcome(read))
peak = re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) // 1024, *sorted(found))
"""
SHAPES = {"thin": (1, 1, 65536), "large": (1024, 1024, 1024), "vast": (65536, 65536, 65536)}


def member_tree(tree: Any, **fields: Any) -> Any:
    """A header with one member that has these fields."""
    return {**tree, "members": [{**tree["members"][0], **fields}]}


def write_attack(name: str, path: Path, lossless: Path, field: Path, paper: Path) -> None:
    """Write a file that takes much of its reader, from honest ones."""
    header, _, own = parts_of(lossless)
    streams, tree = own[0][1], header_tree(header)
    if name in SHAPES:  # a volume of a constant, and shells of one distance each
        empty = struct.pack("<BIBBB", 1, 0 if name == "thin" else 0xFFFFFFFF, 0, 0, 0)
        streams = {**streams, "lossless": empty + struct.pack("<QQQ", 0, 0, 0)}
        tree = member_tree(tree, shape=SHAPES[name], mrc={})
    elif name == "extended header":
        bomb = (1 << 32).to_bytes(8, "little") + zlib.compress(bytes(64 * MIB), 9) * 64
        streams = {**streams, "mrc_extended": bomb}
    elif name == "residual":
        tables = {"residual_index": b"", "residual_tables": b"", "residual": b""}
        streams = {**streams, **tables}
        residual = {"kind": "lossless", "step": 1.0}
        tree = member_tree(tree, shape=[65536] * 3, residual=residual)
    elif name == "mask":
        header, _, own = parts_of(field)
        streams, tree = own[0][1], header_tree(header)
        tree = member_tree(tree, shape=[2048] * 3)
    elif name == "network":
        header, _, own = parts_of(paper)
        tree = header_tree(header)
        tree["model"]["config"]["widths"] = [16384] * 16
        tree["model"]["config"]["exponents"] = [1] * 17
        bomb = zlib.compress(bytes(64 * MIB), 9)
        write_parts(path, deflated_json(tree), {"network": bomb}, own)
        return
    if name == "members":
        tree["members"] = [{**tree["members"][0], "name": str(n)} for n in range(20_000)]
    packed = deflated_json(tree)
    if name == "settings":
        packed = deflated_json({**tree, "settings": {str(n): "a" * 100 for n in range(100_000)}})
    elif name == "nesting":
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        text = b'{"package":"0","settings":' + b"[" * 100_000
        packed = deflater.compress(text) + deflater.flush()
    write_parts(path, packed, {}, [("small", streams)])


@pytest.fixture(scope="module")
def lossless_path(small_map: cryoinr.DensityMap, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("attack") / "small.cinr"
    cryoinr.compress(small_map, path, cryoinr.Settings(lossless=True))
    return path


ATTACKS = ["thin", "large", "vast", "extended header", "residual", "mask", "network", "members"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", [*ATTACKS, "settings", "nesting"])
def test_a_file_cannot_take_more_than_the_limit(
    name: str, tmp_path: Path, lossless_path: Path, archive_path: Path, paper_archive_path: Path
) -> None:
    path = tmp_path / "a.cinr"
    write_attack(name, path, lossless_path, archive_path, paper_archive_path)
    out = subprocess.run(
        [sys.executable, "-c", READER, str(path)], capture_output=True, text=True, check=True
    )
    peak, *outcomes = out.stdout.split()
    assert int(peak) < 200
    assert set(outcomes) & {"OutOfMemory", "DamagedArchive"}


def test_a_header_that_would_take_long_to_read_is_refused(
    tmp_path: Path, lossless_path: Path
) -> None:
    write_attack("members", tmp_path / "a.cinr", lossless_path, lossless_path, lossless_path)
    with pytest.raises(cryoinr.DamagedArchive, match="cannot hold as much"):
        cryoinr.open_archive(tmp_path / "a.cinr")
    write_attack("nesting", tmp_path / "b.cinr", lossless_path, lossless_path, lossless_path)
    with pytest.raises(cryoinr.DamagedArchive):
        cryoinr.open_archive(tmp_path / "b.cinr")


def test_many_honest_members_open_in_linear_time(tmp_path: Path, lossless_path: Path) -> None:
    """Each has checksums of its own, which no deflation makes smaller."""
    header, _, own = parts_of(lossless_path)
    tree, rng = header_tree(header), np.random.default_rng(0)
    checksums = rng.integers(0, 1 << 24, 2 * 2000)
    tree["members"] = [
        {
            **tree["members"][0],
            "name": str(n),
            "original_checksum": f"{checksums[2 * n]:06x}",
            "decoded_checksum": f"{checksums[2 * n + 1]:06x}",
        }
        for n in range(2000)
    ]
    write_parts(tmp_path / "a.cinr", deflated_json(tree), {}, own)
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        assert len(archive) == 2000
        assert archive.member("1999").name == "1999"


def test_damaged_streams_are_damage_when_sampled(tmp_path: Path, lossless_path: Path) -> None:
    """Bytes that no encoder made, under a checksum that is right."""
    header, _, own = parts_of(lossless_path)
    streams, rng = own[0][1], np.random.default_rng(0)
    for data in (b"", b"x", streams["lossless"][:50], rng.bytes(200), streams["lossless"][:-9]):
        odd = {**streams, "lossless": data}
        write_parts(tmp_path / "a.cinr", header, {}, [("small", odd)])
        with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
            for read in (archive[0].read, lambda: archive[0].sample([[1.0, 2.0, 3.0]])):
                with pytest.raises(cryoinr.DamagedArchive):
                    read()


def test_verify_and_decompress_agree_on_the_mode(tmp_path: Path, lossless_path: Path) -> None:
    """The mode of the MRC header is compared with that of the member."""
    header, _, own = parts_of(lossless_path)
    tree = header_tree(header)
    tree["members"][0]["mrc"] = {**(tree["members"][0].get("mrc") or {}), "mode": 7}
    write_parts(tmp_path / "a.cinr", deflated_json(tree), {}, own)
    with pytest.raises(cryoinr.DamagedArchive, match="mode 7"):
        cryoinr.drain(cryoinr.open_archive(tmp_path / "a.cinr")[0].verify_steps())
    with pytest.raises(cryoinr.DamagedArchive, match="mode 7"):
        cryoinr.decompress(tmp_path / "a.cinr", tmp_path / "a.mrc")
    assert not (tmp_path / "a.mrc").exists()
