#!/usr/bin/env python3
"""Set up an environment of its own and run the sample job or the tests.

    python3 run.py sample   compress a sample map, decompress it, report what was lost
    python3 run.py tests    pass the tests
    python3 run.py lint     ruff, mypy, the import contracts and the documentation, as CI does

Needs Python 3.11 or newer and a network for pip; everything is installed in .env-* folders beside
this file, in the versions of constraints.txt. Further arguments go to pytest.
"""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
INSTALLED = {
    "sample": ["."],
    "tests": ["-e", ".[napari]", "--group", "test"],
    "lint": ["-e", ".[napari]", "--group", "lint", "--group", "docs", "--group", "test"],
}


def call(*command: str | Path, **environment: str) -> None:
    print("+", " ".join(map(str, command)), flush=True)
    done = subprocess.run(list(map(str, command)), cwd=ROOT, env=os.environ | environment)
    if done.returncode:
        sys.exit(done.returncode)


def call_at_once(*commands: tuple[str | Path, ...]) -> None:
    running = []
    for command in commands:
        print("+", " ".join(map(str, command)), flush=True)
        running.append(subprocess.Popen(list(map(str, command)), cwd=ROOT))
    codes = [one.wait() for one in running]
    if any(codes):
        sys.exit(max(codes, key=abs))


def environment_for(job: str) -> Path:
    """The folder of programs of the job's environment, made and filled if need be."""
    folder = ROOT / (".env-sample" if job == "sample" else ".env-tests")
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    python = programs / ("python.exe" if os.name == "nt" else "python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = (python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    call(*pip, "pip>=25.1")  # dependency groups
    call(*pip, "--constraint", "constraints.txt", *INSTALLED[job])
    return programs


def sample(programs: Path) -> None:
    """The main job: a map becomes a .cinr file and comes back, and what was lost is told."""
    cryoinr, out = programs / "cryoinr", ROOT / "out"
    out.mkdir(exist_ok=True)
    original, archive, decoded = (out / f"sample{end}" for end in (".mrc", ".cinr", "-decoded.mrc"))
    call(cryoinr, "sample", "--overwrite", original)
    call(cryoinr, "compress", "--overwrite", original, archive)
    call(cryoinr, "decompress", "--overwrite", archive, decoded)
    call(cryoinr, "verify", archive)
    for name in ("report.html", "report.png"):
        call(cryoinr, "report", "--overwrite", archive, "--reference", original, out / name)


def tests(programs: Path, arguments: list[str]) -> None:
    call(programs / "python", "-m", "pytest", *arguments)


def lint(programs: Path) -> None:
    python = programs / "python"
    call(python, "-m", "ruff", "check", ".")
    pages = ("docs", "docs/_build/html")
    call_at_once(
        (python, "-m", "mypy"),
        (programs / "lint-imports",),
        (python, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", *pages),
    )


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in INSTALLED:
        sys.exit(__doc__)
    job = sys.argv[1]
    programs = environment_for(job)
    if job == "sample":
        sample(programs)
    elif job == "tests":
        tests(programs, sys.argv[2:])
    else:
        lint(programs)


if __name__ == "__main__":
    main()
