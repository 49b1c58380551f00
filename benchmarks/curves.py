#!/usr/bin/env python3
"""Size against error: the models `inr`, `field` and `paper`, and SPERR, SZ3 and ZFP.

    python benchmarks/curves.py MAPS_FOLDER CASES_FILE OUT_NAME [--editions FOLDER]
        [--only NAME ...] [--device cpu] [--archives FOLDER]

Of twelve maps the lowest Fourier shell correlation up to a resolution, and the NRMSE above a
contour, at five goals each. Contours and resolutions are those of the file of cases (see
rate_distortion.py), or automatic. `paper` knows no such goal: there are as many points as networks.
Peers are tuned to the errors that `inr` reached.

Writes benchmarks/results/OUT_NAME.json and .md, and OUT_NAME-MAP.svg, after each map, regime and
model; what the JSON file holds already is not measured again.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness import RESULTS, parser_for, write_results
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rate_distortion import Stated, edition_for, measure, stated_for, use_edition

import napari_cryoinr as cryoinr
from napari_cryoinr.bench import Row
from napari_cryoinr.bench.table import markdown_table

MAPS = (
    "emd_5682.map.gz",
    "emd_1148.map.gz",
    "emd_6824.mrc",
    "emd_1439.map",
    "emd_2479.map.gz",
    "emd_2513_crop.mrc",
    "emd_5311.map.gz",
    "bgal_relion_class3d_100.mrc",
    "emd_1080_groel_11.5A.mrc",
    "rotavirus_vp6_96.mrc",
    "emd_1022.map.gz",
    "emd_1024.map.gz",
)
GOALS = {"fsc": [0.9, 0.95, 0.98, 0.99, 0.995], "contour": [0.02, 0.04, 0.06, 0.1, 0.2]}
NETWORKS = ("small", "medium")  # of the model paper
STYLES = {
    "inr": ("#000000", "o"),
    "field": ("#cc79a7", "v"),
    "paper": ("#888888", "*"),
    "sperr": ("#0072b2", "s"),
    "sz3": ("#d55e00", "^"),
    "zfp": ("#009e73", "D"),
}
Points = list[tuple[float, int]]
"""Errors and bytes."""


def settings_of(model: str, device: str) -> list[cryoinr.Settings]:
    """Return the settings that a model is measured with."""
    usual = cryoinr.Settings(model=model, effort="balanced", device=device)
    if model != "paper":
        return [usual]
    fast = replace(usual, effort="fast")
    return [replace(fast, paper=replace(fast.paper, width=width, auto=False)) for width in NETWORKS]


def stated_of(path: Path, regime: str, listed: list[Stated]) -> Stated:
    """Return the contour of a map, and for shells its resolution, without a goal."""
    stated = stated_for(path, regime, listed) or stated_for(path, "contour", listed) or [{}]
    known = ("threshold", "resolution") if regime == "fsc" else ("threshold",)
    return {key: stated[0][key] for key in known if key in stated[0]}


def points_of(rows: list[Row], codec: str) -> Points:
    """Return the points of ours, or of a peer."""
    if codec in ("inr", "field", "paper"):
        return [(row.ours.error, row.ours.bytes) for row in rows]
    return [
        (peer.error, peer.bytes)
        for row in rows
        for peer in row.peers
        if peer.codec.split()[0] == codec
    ]


def draw(axes: Axes, regime: str, title: str, curves: dict[str, Points]) -> None:
    """Draw one panel; errors grow upwards."""
    for codec, points in curves.items():
        if not points:
            continue
        colour, marker = STYLES[codec]
        errors, sizes = zip(*sorted(points), strict=True)
        shown = [1 - e for e in errors] if regime == "fsc" else errors
        line = "" if codec == "paper" else "-"
        axes.plot(
            sizes,
            shown,
            line,
            color=colour,
            marker=marker,
            markersize=5,
            label=codec,
            linewidth=1.3,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_title(title, fontsize=9)
    axes.set_xlabel("bytes")
    axes.set_ylabel("1 - lowest FSC" if regime == "fsc" else "NRMSE")
    axes.grid(True, which="both", linewidth=0.3)
    axes.legend(fontsize=8)


def write_picture(path: Path, done: dict[str, dict[str, list[Row]]]) -> None:
    """Write a panel for each regime of one map."""
    figure = Figure((10.4, 3.8), layout="constrained")
    for number, (regime, models) in enumerate(done.items()):
        rows = [row for own in models.values() for row in own]
        curves = {
            codec: points_of(models.get(codec, models.get("inr", [])), codec) for codec in STYLES
        }
        if rows:
            axes = figure.add_subplot(1, len(GOALS), number + 1)
            draw(axes, regime, f"{rows[0].map}: {rows[0].case.measured}", curves)
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "cryoinr"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


def page(name: str, done: dict[str, dict[str, dict[str, list[Row]]]]) -> list[str]:
    """Return a table of all points, by map, regime and goal."""
    table = []
    for regimes in done.values():
        for models in regimes.values():
            field = {row.case.asked: row.ours.bytes for row in models.get("field", [])}
            for row in models.get("inr", []):
                best = row.best
                other = field.get(row.case.asked)
                table.append(
                    [
                        row.map,
                        row.case.measured,
                        f"{row.case.asked:g}",
                        f"{row.ours.bytes:,}",
                        "missed" if other is None else f"{other:,}",
                        "-" if best is None else f"{best.codec} {best.bytes:,}",
                        "-" if best is None else f"{row.ours.bytes / best.bytes:.3f}",
                    ]
                )
            for row in models.get("paper", []):
                reached = f"reached {row.ours.error:.3g}"
                size = f"`paper` {row.ours.bytes:,}"
                table.append([row.map, row.case.measured, reached, size, "", "", ""])
    titles = ["map", "measured", "goal", "inr", "field", "best peer", "inr / best peer"]
    note = "Bytes. Peers are tuned to the error that `inr` reached; `paper` has a goal of its own."
    return [f"# {name}: size against error", "", *markdown_table(titles, table), "", note]


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("maps", type=Path)
    parser.add_argument("cases", type=Path)
    parser.add_argument("out")
    parser.add_argument("--editions", type=Path, help="folder of editions made without a map")
    parser.add_argument("--only", nargs="+", choices=MAPS, default=MAPS, help="file names")
    parser.add_argument("--device", default="cpu", help="of inr and paper; field uses the CPU")
    parser.add_argument("--archives", type=Path, help="folder that made_archives.py made")
    args = parser.parse_args()
    if args.archives:
        from made_archives import use_archives

        use_archives(args.archives)
    listed = json.loads(args.cases.read_text())
    stored = RESULTS / f"{args.out}.json"
    data: dict[str, Any] = json.loads(stored.read_text()) if stored.exists() else {}
    done = {
        name: {
            regime: {model: [Row.from_dict(row) for row in rows] for model, rows in models.items()}
            for regime, models in regimes.items()
        }
        for name, regimes in data.items()
    }
    for name in args.only:
        path = args.maps / name
        if args.editions:
            use_edition(edition_for(path, args.editions))
        for regime, errors in GOALS.items():
            own = done.setdefault(name, {}).setdefault(regime, {})
            stated = [stated_of(path, regime, listed)]
            for model in ("field", "inr", "paper"):
                if model in own:
                    continue
                goals = None if model == "paper" else errors
                own[model] = [
                    row
                    for settings in settings_of(model, "cpu" if model == "field" else args.device)
                    for row in measure(path, regime, stated, goals, settings, model != "inr")
                ]
                data.setdefault(name, {})[regime] = {
                    key: [row.to_dict() for row in rows] for key, rows in own.items()
                }
                write_results(args.out, data, page(args.out, done))
        write_picture(RESULTS / f"{args.out}-{name.split('.')[0]}.svg", done[name])
    ratios = [
        row.against_best
        for regimes in done.values()
        for models in regimes.values()
        for row in models.get("inr", [])
        if row.against_best
    ]
    print(
        f"inr / best peer, geometric mean: {math.exp(sum(map(math.log, ratios)) / len(ratios)):.3f}"
    )


if __name__ == "__main__":
    main()
