#!/usr/bin/env python3
"""What each part of the model `inr` is worth: sizes at equal goals, with one part changed.

    python benchmarks/inr_ablation.py MAPS_FOLDER OUT_NAME [--only WORD ...] [--variants WORD ...]

Every case is encoded with the model as it is, without symmetry, and with each change alone, with
the pretrained network of the package, which was made from some of these maps. Sizes are those of
the files; where the goal is missed there is none. Writes benchmarks/results/OUT_NAME.json and .md,
anew after each file; what the JSON file holds already is not measured again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from statistics import geometric_mean
from typing import Any
from unittest import mock

import torch
from harness import RESULTS, parser_for, write_results

import napari_cryoinr as cryoinr
from napari_cryoinr.bench.table import markdown_table
from napari_cryoinr.coding.integer_network import IntegerNetwork
from napari_cryoinr.models.inr import encoding, losses, representation, training
from napari_cryoinr.models.inr.context_model import ContextModel
from napari_cryoinr.models.inr.contexts import FEATURES
from napari_cryoinr.models.inr.pretrained import pretrained
from napari_cryoinr.models.inr.rate import ContextNetwork
from napari_cryoinr.support.atomic_files import temporary_folder

Given = dict[str, Any]
Change = Callable[[], AbstractContextManager[Any]]

CASES: dict[str, tuple[str, Given]] = {
    "VP6, FSC": ("rotavirus_vp6_96.mrc", {"threshold": 0.3, "resolution": 4.4, "target_fsc": 0.99}),
    "EMD-1148, FSC": (
        "emd_1148.map.gz",
        {"threshold": 0.00386, "resolution": 20.0, "target_fsc": 0.99},
    ),
    "EMD-6824, FSC": ("emd_6824.mrc", {"threshold": 2.0, "resolution": 8.8, "target_fsc": 0.99}),
    "VP6, contour": (
        "rotavirus_vp6_96.mrc",
        {"threshold": 0.4, "keep": "contour", "target_nrmse": 0.06},
    ),
    "EMD-1439, contour": (
        "emd_1439.map",
        {"threshold": 2.0, "keep": "contour", "target_nrmse": 0.06},
    ),
    "EMD-1066, whole": ("emd_1066.map.gz", {"threshold": "none", "target_psnr": 45.0}),
}


@contextmanager
def untrained() -> Iterator[None]:
    """Let the context network start untrained, in the encoder and in the decoder."""
    torch.manual_seed(0)
    model = ContextModel(ContextNetwork().integers(), pretrained().tables)
    with (
        mock.patch.object(encoding, "pretrained", lambda *_: model),
        mock.patch.object(representation, "pretrained", lambda *_: model),
    ):
        yield


def frozen() -> AbstractContextManager[Any]:
    """Let the context network stay as it is shipped."""
    made = ContextNetwork.from_integers
    return mock.patch.object(
        ContextNetwork, "from_integers", lambda network: made(network).requires_grad_(False)
    )


@contextmanager
def blind(*words: str) -> Iterator[None]:
    """Hide the inputs whose names contain a word from the context network."""
    hidden = [n for n, name in enumerate(FEATURES) if any(word in name for word in words)]
    forward, outputs = ContextNetwork.forward, IntegerNetwork.outputs

    def floats(self: ContextNetwork, features: Any) -> Any:
        features = features.clone()
        features[:, hidden] = 0
        return forward(self, features)

    def integers(self: IntegerNetwork, features: Any) -> Any:
        features = features.copy()
        features[:, hidden] = 0
        return outputs(self, features)

    with (
        mock.patch.object(ContextNetwork, "forward", floats),
        mock.patch.object(IntegerNetwork, "outputs", integers),
    ):
        yield


def without_surface() -> AbstractContextManager[Any]:
    """Let the surface at the contour cost nothing."""
    return mock.patch.object(losses._Surface, "of", lambda *_: None)


def with_constants(**constants: Any) -> AbstractContextManager[Any]:
    """Change constants of the training."""
    return mock.patch.multiple(training, **constants)


VARIANTS: dict[str, tuple[Given, Change]] = {
    "as it is": ({}, nullcontext),
    "a network corrects the sums of the levels": ({"synthesis": "network"}, nullcontext),
    "splines of degree 1": ({"degree": 1}, nullcontext),
    "spacing 1": ({"spacing": 1.0}, nullcontext),
    "spacing 2.25": ({"spacing": 2.25}, nullcontext),
    "three levels": ({"levels": 3}, nullcontext),
    "one level": ({"levels": 1}, nullcontext),
    "context network as shipped": ({}, frozen),
    "context network untrained at the start": ({}, untrained),
    "contexts without the level above": ({}, lambda: blind("parents")),
    "contexts of the face neighbours alone": ({}, lambda: blind("edge", "corner", "further")),
    "rounding is soft to the end": ({}, lambda: with_constants(_SHARPNESS=(0.3, 0.3))),
    "no noise": ({}, lambda: with_constants(_NOISE=(0.0, 0.0))),
    "the aim is the same all the time": (
        {},
        lambda: with_constants(_EARLY_AIM=0.97, _ONLY_EARLY_AIM=0.97),
    ),
    "steps follow prices to the end": ({}, lambda: with_constants(_EARLY=0.999)),
    "the surface costs nothing": ({}, without_surface),
    "80 steps": ({"steps": 80}, nullcontext),
    "800 steps": ({"steps": 800}, nullcontext),
}


def measure(path: Path, given: Given, own: Given, change: Change) -> Given:
    """Return bytes (None where the goal is missed), seconds and the overlap of the surfaces."""
    inr = cryoinr.InrSettings(symmetry="none", **own)
    settings = cryoinr.Settings(model="inr", device="cpu", inr=inr, **given)
    density_map = cryoinr.read_map(path)
    start = time.perf_counter()
    with temporary_folder() as folder, change():
        try:
            report = cryoinr.compress(density_map, folder / "a.cinr", settings)
        except cryoinr.GoalMissed:
            return {"bytes": None, "seconds": time.perf_counter() - start, "iou": None}
        size = (folder / "a.cinr").stat().st_size
    assert isinstance(report, cryoinr.QualityReport)
    iou = None if settings.threshold == "none" else report.iou[1]
    return {"bytes": size, "seconds": time.perf_counter() - start, "iou": iou}


def page(name: str, done: dict[str, dict[str, Given]]) -> list[str]:
    """Return the table: bytes of each case, and their mean beside the model as it is."""
    rows = []
    for variant in VARIANTS:
        cells, ratios = [], []
        for case in CASES:
            size = done.get(case, {}).get(variant, {}).get("bytes")
            usual = done.get(case, {}).get("as it is", {}).get("bytes")
            there = variant in done.get(case, {})
            cells.append(f"{size:,}" if size else "missed" if there else "-")
            if size and usual:
                ratios.append(size / usual)
        mean = f"{geometric_mean(ratios):.3f} ({len(ratios)})" if ratios else "-"
        rows.append([variant, *cells, mean])
    titles = ["changed", *CASES, "beside the first row (cases)"]
    note = "Bytes of the files at equal goals: FSC 0.99, NRMSE 0.06 above the contour, 45 dB."
    return [f"# {name}: parts of the model inr", "", *markdown_table(titles, rows), note]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("out")
    parser.add_argument("--only", nargs="+", help="words of cases")
    parser.add_argument("--variants", nargs="+", help="words of variants")
    args = parser.parse_args()
    stored = RESULTS / f"{args.out}.json"
    done: dict[str, dict[str, Given]] = json.loads(stored.read_text()) if stored.exists() else {}
    for variant, (own, change) in VARIANTS.items():
        if args.variants and not any(word in variant for word in args.variants):
            continue
        for case, (file, given) in CASES.items():
            if (args.only and not any(word in case for word in args.only)) or variant in done.get(
                case, {}
            ):
                continue
            found = measure(args.maps / file, given, own, change)
            done.setdefault(case, {})[variant] = found
            print(f"{variant:45} {case:20} {found}", flush=True)
            write_results(args.out, done, page(args.out, done))


if __name__ == "__main__":
    main()
