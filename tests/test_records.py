"""Settings check themselves, survive JSON, and say in one line what is wrong."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr import (
    DamagedArchive,
    FieldSettings,
    InrSettings,
    PaperSettings,
    Settings,
    SettingsError,
)
from napari_cryoinr.maps.threshold import parse_threshold
from napari_cryoinr.models.field.field_settings import BLOCKS
from napari_cryoinr.models.inr.inr_settings import MAX_LEVELS
from napari_cryoinr.models.paper.paper_settings import MAX_STEPS, PaperConfig
from napari_cryoinr.settings import GOALS
from napari_cryoinr.support import records

UNUSUAL = Settings(
    threshold="3sigma",
    keep="contour",
    mask_extend=5,
    mask_edge=0,
    resolution=4.5,
    model="paper",
    max_error=0.25,
    lossless=False,
    effort="best",
    device="cpu",
    seed=2**32 - 1,
    paper=PaperSettings(
        frequencies=0,
        latent_size=0,
        latent_grid=2,
        widths=(16, 8),
        width="small",
        residual="alternate",
        projection="learned",
        initial="uniform",
        loss_exponent=0.0,
        loss_percentile=100.0,
        loss_factor=1.0,
        learning_rate=1.0,
        learning_rate_end=1.0,
        batch_size=1,
        max_steps=7,
        patience=1,
        chunk_size=1024,
        validation_share=0.0,
        weights="float32",
        precision="bfloat16",
        auto=False,
    ),
    field=FieldSettings(
        block=16,
        shape="smooth",
        occupancy="exact",
        symmetry="none",
        weight_exponent=1.5,
        weight_percentile=50.0,
        weight_factor=3.0,
        iterations=7,
        solves=3,
    ),
    inr=InrSettings(
        spacing=1.5,
        degree=1,
        finest=4.5,
        levels=2,
        synthesis="network",
        symmetry="D7",
        steps=7,
        weight_exponent=1.5,
        weight_percentile=50.0,
        weight_factor=3.0,
    ),
)


@dataclasses.dataclass(frozen=True)
class Example:
    """A record with one field of every kind that records know."""

    number: float = records.checked_field("a number", low=0, high=10)
    items: tuple[int, ...] = records.checked_field("some items", low=1, length=(1, 3))
    optional: int | None = records.checked_field("may be left out")
    word: str = records.checked_field("a word", "a", choices=("a", "b"))
    parts: tuple[PaperConfig, ...] = records.checked_field("records in a list", ())
    extra: dict[str, Any] | None = records.checked_field("anything", None)


CONFIG = PaperConfig(2, 3, (8, 4), "none", "fold", "float16", (1, 2, 3))


@pytest.mark.parametrize(
    "original",
    [
        Settings(),
        UNUSUAL,
        Settings(lossless=True),
        Settings(target_nrmse=0.1),
        Settings(target_psnr=40.0),
        Settings(target_ratio=100.0),
    ],
    ids=lambda settings: " ".join(settings.goals) or "default",
)
def test_settings_survive_json(original: Settings) -> None:
    assert Settings.from_dict(json.loads(json.dumps(original.to_dict()))) == original


def test_unusual_settings_differ_from_the_defaults_in_every_field() -> None:
    """Otherwise the round trip above would not notice a field that is dropped."""
    same = set(GOALS) - {"max_error"}  # a second goal is refused
    for name, _, _, default in records.rules(Settings):
        assert (getattr(UNUSUAL, name) != default) == (name not in same), name
    for part in (UNUSUAL.paper, UNUSUAL.field, UNUSUAL.inr):
        for name, _, _, default in records.rules(type(part)):
            assert getattr(part, name) != default, name


def test_none_is_left_out_and_comes_back() -> None:
    data = Settings().to_dict()
    assert "max_error" not in data and "max_steps" not in data["paper"]
    assert Settings.from_dict({}) == Settings()
    assert Settings.from_dict({"max_error": None}) == Settings()


def test_every_kind_of_field_survives_json() -> None:
    record = Example(2.5, (1, 2), 3, "b", (CONFIG, CONFIG), {"x": [1]})
    again = records.from_dict(Example, json.loads(json.dumps(records.to_dict(record))))
    assert again == record
    assert isinstance(again.parts[0], PaperConfig)


def test_json_integers_become_numbers_where_numbers_are_meant() -> None:
    made = Settings.from_dict({"threshold": 2, "max_error": 1})
    assert isinstance(made.threshold, float) and isinstance(made.max_error, float)
    with pytest.raises(SettingsError, match="seed = True: must be an integer"):
        Settings.from_dict({"seed": True})


BAD_SETTINGS: list[tuple[dict[str, Any], str, str]] = [
    ({"seed": -1}, "seed = -1", "at least 0"),
    ({"seed": 2**32}, "seed = 4294967296", "at most"),
    ({"seed": 1.5}, "seed = 1.5", "an integer"),
    ({"seed": True}, "seed = True", "an integer"),
    ({"model": "wavelet"}, "model = 'wavelet'", "one of auto, field, inr, paper"),
    ({"model": 3}, "model = 3", "a text"),
    ({"effort": "lazy"}, "effort = 'lazy'", "one of auto, fast, balanced, best"),
    ({"device": "tpu"}, "device = 'tpu'", "one of auto, cpu, cuda, mps"),
    ({"max_error": 0.0}, "max_error = 0.0", "above 0"),
    ({"max_error": -1.0}, "max_error = -1.0", "above 0"),
    ({"max_error": math.nan}, "max_error = nan", "finite"),
    ({"max_error": math.inf}, "max_error = inf", "finite"),
    ({"max_error": 10**400}, "max_error = 1000", "finite"),
    ({"max_error": "small"}, "max_error = 'small'", "a number"),
    ({"lossless": 1}, "lossless = 1", "true or false"),
    ({"threshold": None}, "threshold = None", "a number or a text"),
    ({"threshold": math.nan}, "threshold = nan", "finite"),
    ({"threshold": -(10**400)}, "threshold = -1000", "finite"),
    ({"threshold": "high"}, "'high'", "a density"),
    ({"threshold": "nan"}, "'nan'", "a density"),
    ({"threshold": "-inf"}, "'-inf'", "a density"),
    ({"threshold": "3 sigmas"}, "'3 sigmas'", "multiple of sigma"),
    ({"threshold": ""}, "''", "a density"),
    ({"target_nrmse": 0.0}, "target_nrmse = 0.0", "above 0"),
    ({"target_nrmse": 11.0}, "target_nrmse = 11.0", "at most 10"),
    ({"target_psnr": -3.0}, "target_psnr = -3.0", "above 0"),
    ({"target_psnr": 201.0}, "target_psnr = 201.0", "at most 200"),
    ({"target_ratio": 0.0}, "target_ratio = 0.0", "above 0"),
    ({"target_ratio": math.inf}, "target_ratio = inf", "finite"),
    ({"keep": "half"}, "keep = 'half'", "auto, envelope, contour, volume"),
    ({"mask_extend": -1}, "mask_extend = -1", "at least 0"),
    ({"mask_edge": 65}, "mask_edge = 65", "at most 64"),
    ({"target_fsc": 1.0}, "target_fsc = 1.0", "at most 0.999999"),
    ({"resolution": 0.0}, "resolution 0", "above 0"),
    ({"resolution": "fine"}, "'fine'", "Å or auto"),
    ({"keep": "contour", "threshold": "none"}, "keep = contour", "needs a threshold"),
    ({"keep": "envelope", "lossless": True}, "lossless", "over all voxels"),
    ({"keep": "contour", "target_fsc": 0.9}, "target_fsc", "keep = envelope or volume"),
    ({"paper": {}}, "paper = {}", "PaperSettings"),
    ({"field": PaperSettings()}, "field = PaperSettings", "FieldSettings"),
    ({"inr": FieldSettings()}, "inr = FieldSettings", "InrSettings"),
]
BAD_FIELD: list[tuple[dict[str, Any], str, str]] = [
    ({"block": 3}, "block = 3", "at least 4"),
    ({"block": 17}, "block = 17", "at most 16"),
    ({"block": 5}, "block = 5", "one of 4, 6, 8, 10, 12, 16"),
    ({"block": 8.0}, "block = 8.0", "an integer"),
    ({"shape": "round"}, "shape = 'round'", "auto, smooth, sharp"),
    ({"occupancy": "none"}, "occupancy = 'none'", "auto, soft, exact"),
    ({"symmetry": "D"}, "symmetry = 'D'", "auto, none, C1 to C99"),
    ({"weight_exponent": -0.5}, "weight_exponent = -0.5", "at least 0"),
    ({"weight_percentile": 100.5}, "weight_percentile = 100.5", "at most 100"),
    ({"weight_factor": 0.5}, "weight_factor = 0.5", "at least 1"),
    ({"iterations": 0}, "iterations = 0", "at least 1"),
    ({"solves": 0}, "solves = 0", "at least 1"),
]
BAD_INR: list[tuple[dict[str, Any], str, str]] = [
    ({"spacing": 0.4}, "spacing = 0.4", "at least 0.5"),
    ({"spacing": 17.0}, "spacing = 17.0", "at most 16"),
    ({"degree": 0}, "degree = 0", "at least 1"),
    ({"degree": 2}, "degree = 2", "one of 1, 3"),
    ({"finest": 0.0}, "finest = 0.0", "above 0"),
    ({"levels": 0}, "levels = 0", "at least 1"),
    ({"levels": MAX_LEVELS + 1}, f"levels = {MAX_LEVELS + 1}", f"at most {MAX_LEVELS}"),
    ({"symmetry": "C100"}, "symmetry = 'C100'", "auto, none, helix, C1 to C99"),
    ({"synthesis": "some"}, "synthesis = 'some'", "auto, none, network"),
    ({"steps": 0}, "steps = 0", "at least 1"),
    ({"weight_exponent": -0.5}, "weight_exponent = -0.5", "at least 0"),
    ({"weight_percentile": 100.5}, "weight_percentile = 100.5", "at most 100"),
    ({"weight_factor": 0.5}, "weight_factor = 0.5", "at least 1"),
]
BAD_PAPER: list[tuple[dict[str, Any], str, str]] = [
    ({"frequencies": -1}, "frequencies = -1", "at least 0"),
    ({"frequencies": 25}, "frequencies = 25", "at most 24"),
    ({"latent_size": 4097}, "latent_size = 4097", "at most 4096"),
    ({"latent_grid": 0}, "latent_grid = 0", "at least 1"),
    ({"latent_grid": 65}, "latent_grid = 65", "at most 64"),
    ({"widths": ()}, "widths has 0 items", "1 to 16"),
    ({"widths": (1,) * 17}, "widths has 17 items", "1 to 16"),
    ({"widths": (16, 0)}, "widths = 0", "at least 1"),
    ({"widths": (16, 2.5)}, "widths = (16, 2.5)", "a list, each an integer"),
    ({"widths": [16]}, "widths = [16]", "a list, each an integer"),
    ({"width": "large"}, "width = 'large'", "full, medium, small"),
    ({"residual": "some"}, "residual = 'some'", "none, alternate, full"),
    ({"projection": "cut"}, "projection = 'cut'", "fold, learned"),
    ({"initial": "zero"}, "initial = 'zero'", "he, uniform"),
    ({"loss_exponent": -0.5}, "loss_exponent = -0.5", "at least 0"),
    ({"loss_percentile": 100.5}, "loss_percentile = 100.5", "at most 100"),
    ({"loss_factor": 0.5}, "loss_factor = 0.5", "at least 1"),
    ({"learning_rate": 0.0}, "learning_rate = 0.0", "above 0"),
    ({"learning_rate": 1.1}, "learning_rate = 1.1", "at most 1"),
    ({"learning_rate_end": 0.0}, "learning_rate_end = 0.0", "above 0"),
    ({"batch_size": 0}, "batch_size = 0", "at least 1"),
    ({"max_steps": 0}, "max_steps = 0", "at least 1"),
    ({"patience": 0}, "patience = 0", "at least 1"),
    ({"chunk_size": 1023}, "chunk_size = 1023", "at least 1024"),
    ({"validation_share": 0.6}, "validation_share = 0.6", "at most 0.5"),
    ({"weights": "int8"}, "weights = 'int8'", "float16, float32"),
    ({"precision": "float8"}, "precision = 'float8'", "auto, float32"),
    ({"auto": 1}, "auto = 1", "true or false"),
]


@pytest.mark.parametrize(
    ("kind", "fields", "name", "rule"),
    [(Settings, *row) for row in BAD_SETTINGS]
    + [(PaperSettings, *row) for row in BAD_PAPER]
    + [(FieldSettings, *row) for row in BAD_FIELD]
    + [(InrSettings, *row) for row in BAD_INR],
)
def test_bad_values_name_the_field_the_value_and_the_rule(
    kind: type, fields: dict[str, Any], name: str, rule: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        kind(**fields)
    message = str(caught.value)
    assert name in message and rule in message and "\n" not in message


def test_every_field_with_a_rule_has_a_bad_value_above() -> None:
    tables = {
        Settings: BAD_SETTINGS,
        PaperSettings: BAD_PAPER,
        FieldSettings: BAD_FIELD,
        InrSettings: BAD_INR,
    }
    for kind, table in tables.items():
        tested = {name for fields, _, _ in table for name in fields}
        assert tested == {name for name, *_ in records.rules(kind)}


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_that_is_offered_is_allowed(block: int) -> None:
    assert FieldSettings(block=block).block == block


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"treshold": 1}, ("Settings", "'treshold'", "threshold, keep")),
        ({"paper": {"depth": 4}}, ("PaperSettings", "'depth'", "widths")),
        ({"paper": 4}, ("PaperSettings", "4", "table")),
        ({"field": {"depth": 4}}, ("FieldSettings", "'depth'", "block")),
        ({"field": {"block": 5}}, ("block = 5", "one of 4, 6")),
        ({"max_error": 10**400}, ("max_error = 1000", "finite")),
        ([], ("Settings", "[]", "table")),
        (None, ("Settings", "None", "table")),
        ({"paper": {"widths": 16}}, ("widths = 16", "a list, each an integer")),
        ({"paper": {"widths": [16, "8"]}}, ("widths", "'8'", "a list, each an integer")),
    ],
)
def test_bad_tables_are_refused(data: Any, words: tuple[str, ...]) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_dict(data)
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"items": [1, 2, 3, 4]}, "items has 4 items: must have 1 to 3"),
        ({"items": [1, 0]}, "items = 0: must be at least 1"),
        ({"number": 11.0}, "number = 11.0: must be at most 10"),
        ({"parts": [{"depth": 1}]}, "PaperConfig: unknown field 'depth'"),
        ({"extra": 3}, "extra = 3: must be dict"),
        ({"optional": "x"}, "optional = 'x': must be an integer"),
    ],
)
def test_records_of_the_archive_raise_the_error_asked_for(
    change: dict[str, Any], words: str
) -> None:
    data = {"number": 1.0, "items": [1], **change}
    with pytest.raises(DamagedArchive) as caught:
        records.from_dict(Example, data, DamagedArchive)
    assert words in str(caught.value)


def test_missing_fields_are_refused_unless_they_may_be_none() -> None:
    assert records.from_dict(Example, {"number": 1, "items": [1]}).optional is None
    with pytest.raises(SettingsError, match="Example: field 'items' is missing"):
        records.from_dict(Example, {"number": 1.0})


def test_two_goals_at_once_are_refused() -> None:
    with pytest.raises(SettingsError, match="max_error and lossless are given"):
        Settings(max_error=0.1, lossless=True)
    with pytest.raises(SettingsError, match="one goal at most"):
        Settings.from_dict({"max_error": 0.1, "lossless": True})
    values = dict.fromkeys(GOALS, 0.5) | {"lossless": True}
    for first, second in itertools.combinations(GOALS, 2):
        with pytest.raises(SettingsError, match=f"{first} and {second} are given"):
            Settings(**{first: values[first], second: values[second]})


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().seed = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (0.4, ("density", 0.4)),
        (-3, ("density", -3.0)),
        ("0.4", ("density", 0.4)),
        (" 1e-3 ", ("density", 1e-3)),
        ("3sigma", ("sigma", 3.0)),
        ("2.5 Sigma", ("sigma", 2.5)),
        ("-1σ", ("sigma", -1.0)),
        (".5sigma", ("sigma", 0.5)),
        ("3.sigma", ("sigma", 3.0)),
        ("AUTO", ("auto", 0.0)),
        (" none ", ("none", 0.0)),
    ],
)
def test_threshold_texts(text: float | str, expected: tuple[str, float]) -> None:
    assert parse_threshold(text) == expected


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.floats(-1e6, 1e6))
def test_any_number_is_a_threshold(number: float) -> None:
    assert parse_threshold(number) == ("density", number)
    assert parse_threshold(repr(number)) == ("density", number)
    assert parse_threshold(f"{number:.6f} sigma") == ("sigma", float(f"{number:.6f}"))
    assert Settings.from_dict(Settings(threshold=number).to_dict()).threshold == number


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(max_size=12))
def test_any_text_is_a_threshold_or_a_settings_error(text: str) -> None:
    try:
        kind, number = parse_threshold(text)
    except SettingsError as error:
        assert repr(text) in str(error)
    else:
        assert kind in ("density", "sigma", "auto", "none") and math.isfinite(number)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        ("full", (2048, 1024, 512, 256)),
        ("medium", (512, 256, 128, 64)),
        ("small", (128, 64, 32, 16)),
    ],
)
def test_widths_scale(width: str, expected: tuple[int, ...]) -> None:
    assert PaperSettings(width=width).config().widths == expected
    assert PaperSettings(widths=(1, 2), width=width).config().widths[0] == 1
    assert PaperSettings(widths=(64, 32)).config().widths == (64, 32)


def test_training_steps_come_from_the_settings_or_the_effort() -> None:
    for effort, steps in MAX_STEPS.items():
        assert PaperSettings().steps(effort) == steps
    assert PaperSettings(max_steps=3).steps("best") == 3


def test_input_size_counts_coordinates_encoding_and_latent() -> None:
    assert PaperSettings().config().sizes[0] == 3 + 60 + 64
    assert PaperSettings(frequencies=0, latent_size=0).config().sizes[0] == 3


def test_descriptions_cover_every_field() -> None:
    rows = {
        name: (kind, allowed, meaning)
        for name, kind, allowed, meaning in records.describe(PaperSettings)
    }
    assert list(rows) == [item.name for item in dataclasses.fields(PaperSettings)]
    assert all(meaning for _, _, meaning in rows.values())
    assert rows["width"][1] == "full, medium, small"
    assert rows["learning_rate"][1] == "> 0; ≤ 1"
    assert rows["widths"][0] == "a list, each an integer, optional"
    assert rows["widths"][1] == "≥ 1; ≤ 16384; 1 to 16 items"
    assert rows["max_steps"][0] == "an integer, optional"


def test_scalars_of_numpy_are_numbers() -> None:
    given = Settings(threshold=np.float32(1.5), target_psnr=np.float64(40), seed=np.int64(3))
    assert given == Settings(threshold=1.5, target_psnr=40.0, seed=3)
    assert json.dumps(given.to_dict())
    assert PaperSettings(widths=tuple(np.array([8, 4]))).widths == (8, 4)
    with pytest.raises(SettingsError, match="seed = -1"):
        Settings(seed=np.int8(-1))


def test_a_field_may_be_called_field() -> None:
    @dataclasses.dataclass(frozen=True)
    class Odd:
        field: int = records.checked_field("any", 1)
        below: int = records.checked_field("any", 2)

    assert records.from_dict(Odd, {"field": 3}) == Odd(3, 2)


@pytest.mark.parametrize(
    ("given", "model", "goal"),
    [
        ({}, "field", None),
        ({"lossless": True}, "lossless", "lossless"),
        ({"model": "lossless"}, "lossless", "lossless"),
        ({"model": "paper", "lossless": True}, "paper", "lossless"),
        ({"model": "paper"}, "paper", None),
        ({"max_error": 1.0}, "field", "max_error"),
    ],
)
def test_auto_is_the_model_that_fits_the_goal(given: Any, model: str, goal: str | None) -> None:
    assert (Settings(**given).model_name, Settings(**given).goal) == (model, goal)


@pytest.mark.parametrize(
    "given", [{"model": "field", "lossless": True}, {"model": "lossless", "target_psnr": 40.0}]
)
def test_a_model_that_cannot_reach_the_goal_is_refused(given: Any) -> None:
    with pytest.raises(SettingsError, match="leave the model at auto") as caught:
        Settings(**given)
    assert "\n" not in str(caught.value)
