"""Run a module of the package with other pretrained parts in place of the package's own.

python benchmarks/with_edition.py EDITION.npz napari_cryoinr compress map.mrc map.cinr
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pretraining"))
    from editions import use_edition

    _, edition, module, *arguments = sys.argv
    use_edition(Path(edition))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__")
