"""Makes the archives of format version 1 that must decode for ever: run once for each model.

python tests/data/make_archives.py
"""

from pathlib import Path

import napari_cryoinr as cryoinr

HERE = Path(__file__).parent
PAPER = cryoinr.PaperSettings(frequencies=3, latent_size=2, widths=(16, 8), max_steps=200)


def main() -> None:
    maps = [cryoinr.synthetic_map(20, seed=seed, name=f"map/{seed}") for seed in (1, 2)]
    for model in ("field", "paper", "lossless"):
        goal = {} if model == "lossless" else {"max_error": 0.3}
        settings = cryoinr.Settings(
            model=model, effort="fast", device="cpu", paper=PAPER, threshold=1.0, **goal
        )
        cryoinr.compress(maps, HERE / f"format1_{model}.cinr", settings, overwrite=True)


if __name__ == "__main__":
    main()
