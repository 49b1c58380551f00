"""Settings as a command line and as Python: what is copied means the same settings."""

from __future__ import annotations

import dataclasses
import shlex
import types
import typing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_cryoinr as cryoinr
from napari_cryoinr.cli.compress import command
from napari_cryoinr.cli.options import settings_from
from napari_cryoinr.errors import CinrError
from napari_cryoinr.models import GOALS
from napari_cryoinr.settings_text import command_line, python_code, used_settings
from napari_cryoinr.support import records

WORDS = {
    "threshold": ["auto", "none", "3sigma", "-1.5sigma"],
    "resolution": ["auto"],
    "symmetry": ["auto", "none", "C7"],
}
MODELS = ("field", "inr", "paper")


def values_of(name: str, hint: typing.Any, rule: records.Rule) -> st.SearchStrategy:
    """Values that a field may hold."""
    if name == "block":
        return st.sampled_from((None, 4, 8, 16))
    options = records._options(hint)
    low = rule.low if rule.above is None else rule.above
    found = []
    if str in options:
        found.append(st.sampled_from(rule.choices or WORDS[name]))
    if bool in options:
        found.append(st.booleans())
    if int in options:
        found.append(st.integers(int(low), int(rule.high)))
    if float in options:
        edges = {"exclude_min": rule.above is not None, "allow_nan": False, "allow_infinity": False}
        high = 1e5 if rule.high is None and low is not None else rule.high
        found.append(st.floats(low, high, **edges))
    if any(typing.get_origin(option) is tuple for option in options):
        items = st.integers(int(rule.low), int(rule.high))
        found.append(st.lists(items, min_size=1, max_size=4).map(tuple))
    if types.NoneType in options:
        found.append(st.none())
    return st.one_of(found)


@st.composite
def chosen(draw, record: type) -> typing.Any:
    """A record of settings with some fields that differ from their defaults."""
    fields = {
        name: values_of(name, hint, rule)
        for name, hint, rule, _ in records.rules(record)
        if not dataclasses.is_dataclass(hint) and name not in GOALS
    }
    names = draw(st.sets(st.sampled_from(sorted(fields)), max_size=4))
    return {name: draw(fields[name]) for name in names}


@st.composite
def some_settings(draw) -> cryoinr.Settings:
    """Settings without contradictions."""
    kinds = (cryoinr.FieldSettings, cryoinr.InrSettings, cryoinr.PaperSettings)
    given = draw(chosen(cryoinr.Settings))
    rules = {name: (hint, rule) for name, hint, rule, _ in records.rules(cryoinr.Settings)}
    if goal := draw(st.sampled_from((None, *GOALS))):
        given[goal] = draw(values_of(goal, *rules[goal]))
    parts = [draw(st.just({}) | chosen(kind)) for kind in kinds]
    try:
        own = {n: kind(**part) for n, kind, part in zip(MODELS, kinds, parts, strict=True)}
        return cryoinr.Settings(**given, **own)
    except CinrError:
        return cryoinr.Settings()


def parsed(line: str) -> tuple[cryoinr.Settings, dict[str, typing.Any]]:
    """What the command line makes of a line: the settings, and everything that was given."""
    program, name, *words = shlex.split(line)
    assert (program, name) == ("cryoinr", "compress")
    given = command.make_context("compress", list(words)).params
    return settings_from(cryoinr.Settings(), given), given


def run(code: str, monkeypatch) -> dict[str, typing.Any]:
    """Run copied Python without work; return what `compress` was called with."""
    called: dict[str, typing.Any] = {}

    def compress(density_map, path, settings, **more):
        called.update(map=density_map, path=path, settings=settings, **more)
        return types.SimpleNamespace(text=lambda: "")

    with monkeypatch.context() as patch:
        patch.setattr(cryoinr, "compress", compress)
        patch.setattr(cryoinr, "read_map", lambda path: path)
        exec(code, {})
    return called


@settings(max_examples=200, deadline=None)
@given(some_settings())
def test_a_copied_line_means_the_same_settings(wanted: cryoinr.Settings) -> None:
    try:
        line = command_line(wanted, "map.mrc", "map.cinr")
    except CinrError as error:
        assert wanted.model == "auto"
        assert "copy as Python" in str(error)
        return
    assert parsed(line)[0] == used_settings(wanted)


@settings(max_examples=200, deadline=None)
@given(some_settings())
def test_copied_python_means_the_same_settings(wanted: cryoinr.Settings) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        called = run(python_code(wanted, "map.mrc", "map.cinr"), monkeypatch)
    assert called["settings"] == used_settings(wanted)


FILES = ["a b.mrc", "it's.mrc", "-dash.mrc", "$HOME.map.gz", "über\\c.mrc"]


@pytest.mark.parametrize("name", FILES)
def test_all_file_names_can_be_copied(name: str, monkeypatch) -> None:
    files = {"mask": name, "half_maps": (f"1/{name}", name)}
    _, given = parsed(command_line(cryoinr.Settings(), name, f"{name}.cinr", **files))
    assert [str(path) for path in given["maps"]] == [str(Path(name))]
    assert given["out"] == Path(f"{name}.cinr")
    assert given["mask_files"] == (Path(name),)
    assert given["half_map_files"] == ((Path(f"1/{name}"), Path(name)),)
    called = run(python_code(cryoinr.Settings(), name, f"{name}.cinr", **files), monkeypatch)
    assert (called["map"], called["path"]) == (name, f"{name}.cinr")
    assert (called["masks"], called["half_maps"]) == (name, (f"1/{name}", name))


def test_defaults_are_not_written() -> None:
    paper = cryoinr.PaperSettings(frequencies=4)
    line = command_line(cryoinr.Settings(paper=paper), "a.mrc", "a.cinr")
    assert line == "cryoinr compress a.mrc a.cinr"
    line = command_line(cryoinr.Settings(model="paper", paper=paper), "a.mrc", "a.cinr")
    assert line == "cryoinr compress a.mrc a.cinr --model paper --frequencies 4"
    line = command_line(cryoinr.Settings(threshold=-0.5, lossless=False), "a.mrc", "a.cinr")
    assert line == "cryoinr compress a.mrc a.cinr --threshold=-0.5"


def test_what_one_option_cannot_say_is_refused() -> None:
    own = cryoinr.Settings(field=cryoinr.FieldSettings(weight_factor=2.0))
    with pytest.raises(CinrError, match="no option sets weight_factor of one of the models"):
        command_line(own, "a.mrc", "a.cinr")
    assert "weight_factor=2.0" in python_code(own, "a.mrc", "a.cinr")
