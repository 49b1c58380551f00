"""Configuration of the documentation, and the tables that are made from the code.

    python -m sphinx -W --keep-going -b html docs docs/_build/html

The build fetches nothing, and the pages refer to no script, font or style outside the site.
"""

from __future__ import annotations

import dataclasses
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

from napari_cryoinr import InrSettings, QualityReport, Settings, models
from napari_cryoinr.archive.header import ArchiveHeader, MemberHeader, ModelHeader
from napari_cryoinr.archive.residual_config import ResidualConfig
from napari_cryoinr.ome_zarr.chunk_settings import ChunkSettings
from napari_cryoinr.quality import Band, Place
from napari_cryoinr.support import records

GENERATED = Path(__file__).parent / "_generated"
MODELS = [models.get(name) for name in models.NAMES]
SETTINGS = (Settings, *(model.settings_type for model in MODELS if model.settings_type))
CONFIGS = [kind for model in MODELS for kind in (model.config_type, model.member_type) if kind]
HEADER = (
    ArchiveHeader,
    ModelHeader,
    MemberHeader,
    *CONFIGS,
    ResidualConfig,
    QualityReport,
    Band,
    Place,
)

project = "napari-cryoinr"
author = "The napari-cryoinr developers"
project_copyright = author
version = release = installed_version("napari-cryoinr")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "_generated"]
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_ivar = True  # the fields of a dataclass are listed once, not once more as attributes

html_theme = "furo"
html_title = f"napari-cryoinr {version}"
html_math_renderer = "mathml"  # the default one loads a script from elsewhere
html_show_sourcelink = False


def header_tables() -> str:
    """A table of fields for each record of an archive's header."""
    parts = []
    for cls in HEADER:
        rows = [
            (f"`{name}`", _linked(kind), allowed, meaning)
            for name, kind, allowed, meaning in records.describe(cls)
        ]
        parts.append(_titled(cls, _table(("field", "kind", "allowed", "meaning"), rows)))
    return "\n".join(parts)


def settings_tables() -> str:
    """The settings with their options on the command line and their defaults."""
    return "\n".join(_titled(cls, settings_table(cls)) for cls in SETTINGS)


def settings_table(cls: type) -> str:
    """The table of one class of settings."""
    defaults = {name: default for name, _, _, default in records.rules(cls)}
    rows = [
        (
            f"`{name}`",
            _option(name, defaults[name]),
            _default(defaults[name]),
            _linked(kind),
            allowed,
            meaning,
        )
        for name, kind, allowed, meaning in records.describe(cls)
    ]
    return _table(("field", "option", "default", "kind", "allowed", "meaning"), rows)


def _titled(cls: type, table: str) -> str:
    return f"### {cls.__name__}\n\n{(cls.__doc__ or '').splitlines()[0]}\n\n{table}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join("| " + " | ".join(_cell(text) for text in line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def _linked(kind: str) -> str:
    """The kind, with the name of a record linked to its table."""
    name = kind.removeprefix("a list of ").split(",")[0]
    targets = {cls.__name__: f"#{cls.__name__.lower()}" for cls in (*HEADER, *SETTINGS)}
    targets["Settings"] = "settings.md"
    return kind.replace(name, f"[{name}]({targets[name]})", 1) if name in targets else kind


def _option(name: str, default: Any) -> str:
    if dataclasses.is_dataclass(default):
        return ""
    flag = name.replace("_", "-")
    return f"`--{flag}`, `--no-{flag}`" if default is True else f"`--{flag}`"


def _default(value: Any) -> str:
    if value is None:
        return "not set"
    if dataclasses.is_dataclass(value):
        return "all defaults"
    if isinstance(value, tuple):
        return "`" + ", ".join(map(str, value)) + "`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _write_tables(*_: Any) -> None:
    GENERATED.mkdir(exist_ok=True)
    tables = {"header.md": header_tables(), "settings.md": settings_tables()}
    tables["inr_settings.md"] = settings_table(InrSettings)
    tables["zarr_settings.md"] = _table(
        ("field", "kind", "allowed", "meaning"),
        [(f"`{name}`", *rest) for name, *rest in records.describe(ChunkSettings)],
    )
    for name, text in tables.items():
        path = GENERATED / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def _inline_math(translator: Any, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block_math(translator: Any, node: nodes.math_block) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer("mathml", (_inline_math, None), (_block_math, None))
    app.connect("builder-inited", _write_tables)
