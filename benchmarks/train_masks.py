#!/usr/bin/env python3
"""Train the stored networks of the mask coder, and measure it on masks it has not seen.

    python benchmarks/train_masks.py MAPS_FOLDER [--without NAME ...] [--out FILE]

Masks are those of synthetic maps and of every map of the folder at several thresholds, turned and
mirrored at random; training is deterministic on one machine with one thread. The maps named by
`--without` are left out, and the coded size of their masks is printed beside gzip's. Without
`--out` the networks are not kept; the shipped ones come from

    python benchmarks/train_masks.py MAPS_FOLDER --out src/napari_cryoinr/entropy/mask_weights.py
"""

from __future__ import annotations

import argparse
import base64
import gzip
import time
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

import napari_cryoinr as cryoinr
from napari_cryoinr.coding import mask_contexts as contexts
from napari_cryoinr.coding import masks as coding
from napari_cryoinr.coding.mask_model import TOP, UNIT, Network

# What users would choose: the recommended contours, and a wide one.
THRESHOLDS: dict[str, list[float]] = {
    "rotavirus_vp6_96.mrc": [0.4],
    "emd_6824.mrc": [4.0, 0.5],
    "bgal_relion_class3d_100.mrc": [0.05],
    "emd_1080_groel_11.5A.mrc": [0.01],
    "emd_0093_MAP_m4A.mrc.gz": [0.7],
    "emd_2513_crop.mrc": [0.01],
    "emd_1439.map": [2.0],
    "emd_1703_sta_msk1.map": [0.006],
}
OTHER = ["emd_5137_box.ccp4", "sta_relion_bin8_64.mrc", "tomo_microtubule_13pf_int16.mrc"]
CUBE_SIZES = (2 * len(contexts.CUBE_OFFSETS), 16, 8)
VOXEL_SIZES = (len(contexts.VOXEL_OFFSETS), 64, 32)
Bits = np.ndarray[Any, np.dtype[np.bool_]]
Inputs = np.ndarray[Any, np.dtype[np.int8]]


def density(folder: Path, name: str) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cryoinr.MapWarning)
        return np.asarray(cryoinr.read_map(folder / name).data)


def training_masks(folder: Path, without: list[str]) -> Iterator[Bits]:
    """Masks that fill half, a quarter and twice of what the thresholds leave, and those."""
    for name in [*THRESHOLDS, *OTHER]:
        if name in without:
            continue
        data = density(folder, name)
        shares = {float((data > np.float32(level)).mean()) for level in THRESHOLDS.get(name, [])}
        near = {min(share * by, 0.3) for share in shares for by in (0.25, 0.5, 1.0, 1.8)}
        for share in sorted(near or {0.01, 0.03, 0.08, 0.15}):
            yield data > np.quantile(data, 1 - share)
    for seed in range(8):
        resolution = (6.0, 8.0, 10.0, 15.0)[seed % 4]
        data = cryoinr.synthetic_map(80, seed=seed, resolution=resolution).data
        for share in (0.02, 0.06, 0.12):
            yield data > np.quantile(data, 1 - share)


def turned(mask: Bits, random: np.random.Generator) -> Bits:
    """The mask on other axes, mirrored, and cut so that the cubes fall elsewhere."""
    mask = mask.transpose(random.permutation(3))
    mask = mask[tuple(slice(None, None, int(sign)) for sign in random.choice([-1, 1], 3))]
    cut = [
        int(min(n, size - 1)) for n, size in zip(random.integers(0, 8, 3), mask.shape, strict=True)
    ]
    return np.ascontiguousarray(mask[cut[0] :, cut[1] :, cut[2] :])


def cube_samples(mask: Bits) -> tuple[Inputs, Bits]:
    cubes = contexts.cube_states(mask)
    wide = np.full(contexts.widened(cubes.shape), contexts.EMPTY, np.int8)
    contexts.interior(wide, cubes.shape)[...] = cubes
    places = np.concatenate(list(contexts.cube_fronts(cubes.shape)))
    offsets = contexts.CUBE_OFFSETS @ contexts.strides(wide.shape)
    around = wide.reshape(-1)[places[:, None] + offsets]
    return coding.cube_inputs(around), wide.reshape(-1)[places] == contexts.MIXED


def voxel_samples(mask: Bits, limit: int, random: np.random.Generator) -> tuple[Inputs, Bits]:
    cubes = contexts.cube_states(mask)
    known = contexts.voxel_states(cubes, mask.shape)
    truth = known.copy()
    contexts.interior(truth, mask.shape)[...] = np.where(mask, contexts.FULL, contexts.EMPTY)
    places = np.flatnonzero(known.reshape(-1) == contexts.UNKNOWN)
    places = np.sort(random.choice(places, min(limit, places.size), replace=False))
    steps = contexts.strides(known.shape)
    fronts = contexts.VOXEL_OFFSETS @ contexts.SLOPE
    columns = [
        (truth if front < 0 else known).reshape(-1)[places + offset @ steps]
        for offset, front in zip(contexts.VOXEL_OFFSETS, fronts, strict=True)
    ]
    return np.stack(columns, axis=1), truth.reshape(-1)[places] == contexts.FULL


def rounded(values: torch.Tensor) -> torch.Tensor:
    """What the integer network will use; gradients pass as if nothing had happened."""
    whole = torch.round(values * UNIT).clamp(-127, 127) / UNIT
    return values + (whole - values).detach()


class Layers(torch.nn.Module):
    def __init__(self, sizes: tuple[int, int, int]) -> None:
        super().__init__()
        ends = (*sizes[1:], 1)
        self.layers = torch.nn.ModuleList(map(torch.nn.Linear, sizes, ends))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            if layer is not self.layers[0]:
                values = values.clamp(0, TOP / UNIT)
            values = torch.nn.functional.linear(values, rounded(layer.weight), layer.bias)
        return values[:, 0]

    def to_bytes(self) -> bytes:
        scales = [UNIT, UNIT**2, UNIT**2]
        weights = [torch.round(layer.weight * UNIT).clamp(-127, 127).T for layer in self.layers]
        biases = [
            torch.round(layer.bias * scale)
            for layer, scale in zip(self.layers, scales, strict=True)
        ]
        return b"".join(
            [part.detach().numpy().astype(np.int8).tobytes() for part in weights]
            + [part.detach().numpy().astype("<i4").tobytes() for part in biases]
        )


def train(samples: list[tuple[Inputs, Bits]], sizes: tuple[int, int, int], passes: int) -> bytes:
    """Adam with one cycle of the step size, on the cross entropy; the network's bytes."""
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    inputs = np.concatenate([part for part, _ in samples])
    bits = np.concatenate([part for _, part in samples]).astype(np.float32)
    model, batch = Layers(sizes), 4096
    steps = passes * (len(inputs) // batch)
    optimiser = torch.optim.Adam(model.parameters(), 1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, 6e-3, total_steps=steps, pct_start=0.1
    )
    for number in range(passes):
        order, losses = random.permutation(len(inputs)), []
        for start in range(0, len(inputs) - batch + 1, batch):
            rows = order[start : start + batch]
            logits = model(torch.from_numpy(inputs[rows].astype(np.float32)))
            loss = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, torch.from_numpy(bits[rows])
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(
            f"pass {number}: {np.mean(losses) / np.log(2):.4f} bits, {len(inputs)} samples",
            flush=True,
        )
    return model.to_bytes()


def write_module(path: Path, cubes: bytes, voxels: bytes) -> None:
    text = base64.b85encode(zlib.compress(cubes + voxels, 9)).decode()
    lines = "\n".join(f'    "{text[i : i + 90]}"' for i in range(0, len(text), 90))
    path.write_text(
        '"""Weights of the mask coder, written by benchmarks/train_masks.py: never edit."""\n\n'
        "from __future__ import annotations\n\nimport base64\nimport zlib\n\n"
        "from .mask_model import Network\n\n"
        f"_CUBE_SIZES = {CUBE_SIZES}\n_VOXEL_SIZES = {VOXEL_SIZES}\n"
        f"_CUBE_BYTES = {len(cubes)}\n\n\n"
        "def networks() -> tuple[Network, Network]:\n"
        '    """Those of the cubes and of the voxels."""\n'
        "    data = zlib.decompress(base64.b85decode(_WEIGHTS))\n"
        "    cubes = Network.from_bytes(data[:_CUBE_BYTES], _CUBE_SIZES)\n"
        "    return cubes, Network.from_bytes(data[_CUBE_BYTES:], _VOXEL_SIZES)\n\n\n"
        f"_WEIGHTS = (\n{lines}\n)\n",
        encoding="utf-8",
    )


def measure(folder: Path, names: list[str]) -> None:
    for name in names:
        data = density(folder, name)
        for level in THRESHOLDS[name]:
            mask = data > np.float32(level)
            start = time.perf_counter()
            coded = coding.encode_mask_by_context(mask)
            middle = time.perf_counter()
            assert np.array_equal(coding.decode_mask_by_context(coded, mask.shape), mask)
            end = time.perf_counter()
            packed = len(gzip.compress(np.packbits(mask).tobytes(), 9))
            print(
                f"{name} at {level}: gzip {packed}, coded {len(coded)}, "
                f"{packed / len(coded):.2f} times smaller, "
                f"{middle - start:.2f} s, back {end - middle:.2f} s",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--without", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--samples", type=int, default=20_000, help="voxels of each turned mask")
    parser.add_argument("--turns", type=int, default=4, help="times that each mask is taken")
    parser.add_argument("--passes", type=int, default=6)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    voxels, cubes = [], []
    for mask in training_masks(asked.folder, asked.without):
        for _ in range(asked.turns):
            view = turned(mask, random)
            voxels.append(voxel_samples(view, asked.samples, random))
            cubes.append(cube_samples(view))
    cube_bytes = train(cubes, CUBE_SIZES, asked.passes)
    voxel_bytes = train(voxels, VOXEL_SIZES, asked.passes)
    if asked.out:
        write_module(asked.out, cube_bytes, voxel_bytes)
    made = (
        Network.from_bytes(cube_bytes, CUBE_SIZES),
        Network.from_bytes(voxel_bytes, VOXEL_SIZES),
    )
    coding.mask_weights.networks = lambda: made
    coding._networks.cache_clear()
    measure(asked.folder, asked.without or list(THRESHOLDS))


if __name__ == "__main__":
    main()
