"""Files that claim more than they hold: refused quickly, and within a memory limit."""

from __future__ import annotations

import struct
import subprocess
import sys
import tracemalloc
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from archive_making import copy_with, header_tree, parts_of, write_parts
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


LIMIT = 4 * MIB  # of what the small maps below need
DENSITIES = st.sampled_from([0.0, 2.0, -3e38, 3e38, 1e-45, 1e300, -1e300, 10**400, None, "2"])
HOSTILE = {
    "keep": st.sampled_from(["envelope", "contour", "volume", "all", None]),
    "threshold": DENSITIES,
    "background": DENSITIES,
    "contour": DENSITIES,
    "density_scale": DENSITIES,
    "limits": st.lists(DENSITIES, max_size=3),
    "rim": st.lists(DENSITIES, max_size=3),
    "contrast_limits": st.lists(DENSITIES, min_size=2, max_size=2),
    "extend": st.sampled_from([0, 1, 64, 65, -1, 1 << 70, 2.5]),
    "edge": st.sampled_from([0, 1, 64, 65, -1, 1 << 70, None]),
    "neighbours": st.sampled_from([0, 1, 27, 125, 126, -1]),
    "given_mask": st.sampled_from([True, False, 1]),
    "lossless": st.booleans(),
    "shape": st.lists(st.sampled_from([1, 24, 25, 300, 65536]), min_size=3, max_size=3),
    "residual": st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["surface", "max_error", "lossless", "none"]),
            "step": st.sampled_from([1e-45, 1.0, 3e38, 1e300, 0]),
        }
    ),
}
HOSTILE_CONFIG = {
    "step": st.sampled_from([1e-45, 0.1, 3e38, 1e300, 0]),
    "base": DENSITIES,
    "band_steps": st.lists(st.sampled_from([0, 16, 255, 256, -1]), max_size=65),
    "aspect": st.lists(st.sampled_from([1, 0.3, 1e-300, 0, 2]), min_size=2, max_size=3),
    "block": st.sampled_from([4, 8, 16, 7]),
    "tile": st.sampled_from([1, 16, 64, 65]),
    "symmetry": st.lists(st.sampled_from([0, 1, 5, 23, 24, -1, 1 << 17]), max_size=8),
}

HOSTILE_INR_CONFIG = {
    "edition": st.sampled_from([0, 1, 2]),
    "spacing": st.sampled_from([31, 32, 64, 1024, 1025]),
    "degree": st.sampled_from([0, 1, 2, 3]),
    "steps": st.lists(st.sampled_from([1e-45, 0.1, 3e38, 1e300, 0]), max_size=7),
    "base": DENSITIES,
    "tile": st.sampled_from([15, 16, 256, 257]),
    "synthesis": st.sampled_from([0, 1e-45, 1.0, 3e38, -1]),
    "contexts": st.sampled_from([0, 1, 8, 12, 13, -1]),
}


def some_of(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """At most two of the fields: with more, one of them is refused at once."""
    pairs = [st.tuples(st.just(name), values) for name, values in fields.items()]
    return st.lists(st.one_of(pairs), max_size=2).map(dict)


@pytest.fixture(scope="module")
def kept_paths(small_map: cryoinr.DensityMap, tmp_path_factory) -> dict[str, Path]:
    """Archives of the small map that keep different things in different ways."""
    folder = tmp_path_factory.mktemp("kept")
    mask = cryoinr.synthetic_map(24, seed=1).data > 1
    paths = {name: folder / f"{name}.cinr" for name in ("envelope", "mask", "contour", "surface")}
    fast = {"model": "field", "effort": "fast", "device": "cpu"}
    for name, path in paths.items():
        given_mask = mask.astype(np.float32) if name == "mask" else None
        keep = "contour" if name == "contour" else "auto"
        cryoinr.compress(small_map, path, cryoinr.Settings(keep=keep, **fast), masks=given_mask)

    def add_surface(tree: Any) -> None:
        tree["members"][0]["residual"] = {"kind": "surface", "step": 0.5}

    paths["inr"] = folder / "inr.cinr"
    trained = cryoinr.Settings(
        model="inr",
        keep="contour",
        target_nrmse=0.3,
        device="cpu",
        inr=cryoinr.InrSettings(steps=25),
    )
    cryoinr.compress(small_map, paths["inr"], trained)

    header, _, own = parts_of(paths["surface"])
    tree = header_tree(header)
    add_surface(tree)
    tables = {"residual_index": bytes(12), "residual_tables": b"", "residual": b""}
    write_parts(paths["surface"], deflated_json(tree), {}, [(own[0][0], own[0][1] | tables)])
    return paths


@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    name=st.sampled_from(["envelope", "mask", "contour", "surface", "inr"]),
    fields=some_of(HOSTILE),
    config=some_of(HOSTILE_CONFIG),
    inr_config=some_of(HOSTILE_INR_CONFIG),
)
def test_whatever_a_header_says_is_read_or_refused_in_a_line(
    tmp_path: Path,
    kept_paths: dict[str, Path],
    name: str,
    fields: dict,
    config: dict,
    inr_config: dict,
) -> None:
    """Warnings are errors here, and so is a read that takes more memory than the limit."""

    def change(tree: Any) -> None:
        member = tree["members"][0]
        member["config"] |= inr_config if name == "inr" else config
        for field, value in fields.items():
            member[field] = value
            if value is None:
                del member[field]

    copy_with(kept_paths[name], tmp_path / "a.cinr", change)
    tracemalloc.start()
    try:
        with cryoinr.open_archive(tmp_path / "a.cinr", memory_limit=LIMIT) as archive:
            member = archive[0]
            for index in (np.s_[0, 0, :1], np.s_[:8, :8, :8], np.s_[:]):
                assert np.isfinite(member.read(index)).all()
            member.read(level=1)
            member.sample([member.origin])
            member.promised_weight(np.zeros(member.shape, np.float32))
    except cryoinr.CinrError as error:
        assert "\n" not in str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < LIMIT + 2 * MIB  # pretrained networks and the like


@pytest.mark.parametrize("extend", [3, 40])
def test_the_margin_of_the_envelope_counts_before_it_is_allocated(
    tmp_path: Path, kept_paths: dict[str, Path], extend: int
) -> None:
    """A small region needs what lies around it, and a limit that allows it is enough."""

    def change(tree: Any) -> None:
        tree["members"][0] |= {"extend": extend, "edge": 3}

    copy_with(kept_paths["envelope"], tmp_path / "a.cinr", change)
    with cryoinr.open_archive(tmp_path / "a.cinr") as archive:
        counted = archive[0].decoder.bytes_for((slice(4, 5),) * 3)
        archive[0].read(np.s_[4, 4, 4])  # what is kept decoded is no part of it
        tracemalloc.start()
        archive[0].read(np.s_[4, 4, 4])
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= counted
    with cryoinr.open_archive(tmp_path / "a.cinr", memory_limit=counted) as archive:
        archive[0].read(np.s_[4, 4, 4])
    with (
        cryoinr.open_archive(tmp_path / "a.cinr", memory_limit=counted - 1) as archive,
        pytest.raises(cryoinr.OutOfMemory, match="raise memory_limit"),
    ):
        archive[0].read(np.s_[4, 4, 4])
