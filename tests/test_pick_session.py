"""Sessions of picking: what clicks mean, what training learns from, and that nothing is lost."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_cryoinr.errors import MicrographError, SettingsError
from napari_cryoinr.picking.particles import Particles
from napari_cryoinr.picking.picker_model import Round
from napari_cryoinr.picking.picking_settings import TrainingSettings
from napari_cryoinr.picking.session import (
    ACCEPTED,
    CLICKED,
    PICKED,
    REJECTED,
    Entry,
    ModelSummary,
    Session,
    SessionSettings,
    session_storage,
)
from napari_cryoinr.picking.session.session_storage import open_session, save_session

BOX = 40.0
MODEL = ModelSummary("modern", BOX, 0.4, (Round(1, 20, 0, 1.5),))
NAME = "a.mrc"
FOUND = Particles([(100, 100), (200, 100), (300, 100), (400, 100)], [0.9, 0.7, 0.45, 0.2], BOX, 1.5)


def new_session(**changes) -> Session:
    session = Session(SessionSettings(TrainingSettings(BOX)))
    session.model = MODEL
    session.change_settings(**changes)
    return session


@pytest.fixture
def session() -> Session:
    """A session in which one micrograph was picked: three of four candidates count."""
    session = new_session()
    session.set_candidates(NAME, FOUND)
    return session


def states(session: Session, name: str = NAME) -> tuple[str, ...]:
    return session.points(name).state


# ------------------------------------------------------------------------------- what clicks mean


def test_an_empty_place_becomes_a_particle_and_goes_again(session) -> None:
    assert session.click(NAME, 120.25, 300.5) == CLICKED
    points = session.points(NAME)
    assert points.state == (CLICKED, PICKED, PICKED, PICKED)
    assert points.xy[0].tolist() == [120.25, 300.5]
    assert math.isnan(points.score[0])
    assert session.click(NAME, 130, 310) == "removed"
    assert states(session) == (PICKED,) * 3


def test_a_pick_is_rejected_and_accepted_in_turn(session) -> None:
    assert session.click(NAME, 203, 104) == REJECTED
    points = session.points(NAME)
    assert points.state == (REJECTED, PICKED, PICKED)
    assert points.xy[0].tolist() == [200, 100]  # where it was found, not where it was clicked
    assert points.score[0] == 0.7
    assert session.click(NAME, 203, 104) == ACCEPTED
    assert session.click(NAME, 203, 104) == REJECTED
    assert len(session.points(NAME)) == 3


def test_a_click_means_the_nearest_point_within_half_a_box(session) -> None:
    session.click(NAME, 100, 100 + BOX / 2)
    assert states(session)[0] == REJECTED
    session.click(NAME, 200, 100 + BOX / 2 + 0.1)
    assert states(session)[1] == CLICKED


def test_picks_below_the_threshold_are_not_there_to_be_clicked(session) -> None:
    assert session.threshold == MODEL.threshold
    assert session.click(NAME, 400, 100) == CLICKED
    session.change_settings(threshold=0.1)
    assert states(session).count(PICKED) == 3  # the one that was clicked is not shown twice


def test_a_pick_near_a_mark_is_the_same_particle(session) -> None:
    session.entry(NAME).add([(100 + BOX / 2 - 0.1, 100), (200 + BOX / 2, 100)])
    assert states(session) == (CLICKED, CLICKED, PICKED, PICKED)
    assert session.points(NAME).xy[2].tolist() == [200, 100]
    assert session.entry(NAME).undo()
    assert states(session) == (PICKED,) * 3


def test_undo_goes_back_to_the_beginning(session) -> None:
    before = session.points(NAME)
    for x in (100, 100, 200, 250, 250, 300):
        session.click(NAME, x, 100)
    while session.entry(NAME).undo():
        pass
    after = session.points(NAME)
    assert after.state == before.state
    np.testing.assert_array_equal(after.xy, before.xy)
    assert not session.entry(NAME).can_undo


def test_what_is_removed(session) -> None:
    session.click(NAME, 50, 300)
    session.click(NAME, 100, 100)
    assert states(session) == (CLICKED, REJECTED, PICKED, PICKED)
    session.entry(NAME).remove(session.points(NAME), [0, 1, 2])
    assert states(session) == (REJECTED, REJECTED, PICKED)
    session.entry(NAME).undo()
    assert states(session) == (CLICKED, REJECTED, PICKED, PICKED)


def test_what_is_moved(session) -> None:
    session.click(NAME, 50, 300)
    session.entry(NAME).move(
        session.points(NAME), {0: (60.0, 310.0), 1: (104.0, 97.0)}, session.near
    )
    points = session.points(NAME)
    assert points.state == (CLICKED, ACCEPTED, PICKED, PICKED)
    assert points.xy[:2].tolist() == [[60, 310], [104, 97]]
    session.entry(NAME).move(
        session.points(NAME), {2: (200.0, 400.0)}, session.near
    )  # far: there is none where it was
    points = session.points(NAME)
    assert points.state == (CLICKED, ACCEPTED, ACCEPTED, REJECTED, PICKED)
    assert points.xy[3].tolist() == [200, 100]


def test_accept_and_reject_by_number(session) -> None:
    session.entry(NAME).label(session.points(NAME), dict.fromkeys([0, 2], ACCEPTED))
    assert states(session) == (ACCEPTED, ACCEPTED, PICKED)
    session.entry(NAME).label(session.points(NAME), dict.fromkeys([1, 2], REJECTED))
    assert states(session) == (ACCEPTED, REJECTED, REJECTED)


# --------------------------------------------------------------------- coordinates and examples


def test_coordinates_are_all_but_the_rejected(session) -> None:
    session.click(NAME, 100, 100)
    session.click(NAME, 50, 300)
    particles = session.particles_of(NAME)
    assert particles.xy.tolist() == [[50, 300], [200, 100], [300, 100]]
    assert particles.score is not None
    assert particles.score.tolist() == [1.0, 0.7, 0.45]
    assert (particles.box, particles.pixel_size) == (BOX, 1.5)
    session.click("b.mrc", 10, 10)
    assert session.particles_of("b.mrc").score is None


def test_what_training_learns_from(session) -> None:
    assert session.training_labels() == []
    session.click(NAME, 50, 300)
    session.click(NAME, 100, 100)
    session.entry(NAME).label(session.points(NAME), {2: ACCEPTED})
    (known,) = session.training_labels()
    assert known.particles.xy.tolist() == [[50, 300], [200, 100]]
    assert known.rejected.xy.tolist() == [[100, 100]]
    session.entry(NAME).reviewed = True
    (known,) = session.training_labels()
    assert known.particles.xy.tolist() == [[50, 300], [200, 100], [300, 100]]
    session.click("b.mrc", 10, 10)
    assert [known.name for known in session.training_labels()] == [NAME, "b.mrc"]
    assert session.training_counts() == (4, 1, 2)


def test_marks_stay_when_a_micrograph_is_picked_again(session) -> None:
    session.click(NAME, 100, 100)
    session.click(NAME, 50, 300)
    again = Particles([(101, 99), (55, 305), (250, 250)], [0.99, 0.98, 0.97], BOX)
    session.set_candidates(NAME, again)
    points = session.points(NAME)
    assert points.state == (REJECTED, CLICKED, PICKED)
    assert points.xy[2].tolist() == [250, 250]


def test_reviewed_picks_are_accepted_before_new_ones_come(session) -> None:
    session.click(NAME, 100, 100)
    session.entry(NAME).reviewed = True
    session.set_candidates(NAME, Particles([(250, 250)], [0.97], BOX))
    assert states(session) == (REJECTED, ACCEPTED, ACCEPTED, PICKED)
    assert not session.entry(NAME).reviewed


def test_picks_of_an_older_model_are_stale(session) -> None:
    assert not session.is_outdated(NAME)
    session.model = ModelSummary("modern", BOX, 0.4, (*MODEL.rounds, Round(2, 30, 4, 2.0)))
    assert session.is_outdated(NAME)
    session.entry(NAME).reviewed = True
    assert not session.is_outdated(NAME)
    assert session.can_continue_training()
    session.change_settings(box=50.0)
    assert not session.can_continue_training()


def test_settings_are_changed_by_name_or_not_at_all(session) -> None:
    session.change_settings(box=50.0, distance=0.8, threshold=0.6, format=".star")
    settings = session.settings
    assert (settings.training.box, settings.selection.distance) == (50.0, 0.8)
    assert (session.threshold, settings.format, session.near) == (0.6, ".star", 25.0)
    for wrong in ({"box": 2.0}, {"threshold": 1.5}, {"format": ".txt"}):
        with pytest.raises(SettingsError):
            session.change_settings(distance=0.7, **wrong)
    assert session.settings == settings


# -------------------------------------------------------------------------------------- in files

coordinate = st.floats(0, 500)
clicks = st.lists(st.tuples(st.sampled_from(["a.mrc", "b.tif"]), coordinate, coordinate))
candidates = st.lists(st.tuples(coordinate, coordinate, st.floats(0, 1)), max_size=8)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(clicks=clicks, found=candidates, threshold=st.none() | st.floats(0, 1), undone=st.booleans())
def test_nothing_is_lost(tmp_path_factory, clicks, found, threshold, undone) -> None:
    root = tmp_path_factory.mktemp("micrographs")
    session, complaints = open_session(root, BOX)
    assert complaints == ()
    session.change_settings(threshold=threshold)
    table = np.array(found, float).reshape(-1, 3)
    session.set_candidates("a.mrc", Particles(table[:, :2], table[:, 2], BOX, 1.25))
    for name, x, y in clicks:
        session.click(name, x, y)
        if undone:
            session.entry(name).undo()
    session.entry("b.tif").reviewed = True
    save_session(session)
    again, complaints = open_session(root, 99.0)
    assert complaints == ()
    assert again.settings == session.settings
    for name in ("a.mrc", "b.tif"):
        before, after = session.points(name), again.points(name)
        assert after.state == before.state
        np.testing.assert_array_equal(after.xy, before.xy)
        np.testing.assert_array_equal(after.score, before.score)
        assert again.entry(name).reviewed == session.entry(name).reviewed
        assert again.particles_of(name).pixel_size == session.particles_of(name).pixel_size


@pytest.fixture
def kept(session, tmp_path: Path) -> Path:
    """The folder of a session with a model."""
    folder = tmp_path / "picking"
    session.root, session.folder = tmp_path, folder
    session.click(NAME, 50, 300)
    save_session(session)
    (folder / "model.h5").write_bytes(b"a model")
    return folder


def test_a_session_is_opened_with_its_model(kept, session) -> None:
    again, complaints = open_session(kept.parent, 1.0 * 99)
    assert complaints == ()
    assert again.model == MODEL
    assert not again.is_outdated(NAME)
    (kept / "model.h5").unlink()
    again, (complaint,) = open_session(kept.parent, 99.0)
    assert again.model is None
    assert complaint.endswith("model.h5 is missing: train again")
    assert again.points(NAME).count(CLICKED) == 1


UNREADABLE = {
    "cut": lambda text: text[: len(text) // 2],
    "nothing": lambda text: "",
    "no table": lambda text: "[]",
}


@pytest.mark.parametrize("how", UNREADABLE)
def test_an_unreadable_session_is_kept_under_another_name(kept, how: str) -> None:
    path = kept / "session.json"
    damaged = UNREADABLE[how](path.read_text())
    for name in ("session.json.damaged1", "session.json.damaged2"):
        path.write_text(damaged)
        again, (complaint,) = open_session(kept.parent, 99.0)
        assert again.box == 99.0
        assert again.entries == {}
        assert "\n" not in complaint
        assert f"kept as {name}" in complaint
        assert (kept / name).read_text() == damaged


def change_marks(data: dict, **values) -> None:
    data["micrographs"][0]["marks"][0].update(values)


# What is wrong, what the complaint says, and how many of three marks are left.
ONE_BAD_VALUE = {
    "unknown state": (lambda data: change_marks(data, state="eaten"), "state = 'eaten'", 2),
    "no number": (lambda data: change_marks(data, x=float("nan")), "x = nan", 2),
    "no mark": (lambda data: data["micrographs"][0]["marks"].append(7), "7 is not a table", 3),
    "no micrograph": (lambda data: data["micrographs"].append({}), "'file' is missing", 3),
    "another folder": (lambda data: data["micrographs"].append({"file": "../b"}), "'../b'", 3),
    "twice": (lambda data: data["micrographs"].append({"file": NAME}), "'a.mrc'", 3),
    "box": (lambda data: data["settings"]["training"].update(box="wide"), "box = 'wide'", 3),
    "model": (lambda data: data["model"].update(threshold=None), "threshold = None", 3),
}


def test_a_score_above_one_is_kept(kept) -> None:
    path = kept / "session.json"
    data = json.loads(path.read_text())
    change_marks(data, score=1.5)
    path.write_text(json.dumps(data))
    again, complaints = open_session(kept.parent, 99.0)
    assert complaints == ()
    assert again.points(NAME).score[0] == 1.5


@pytest.mark.parametrize("how", ONE_BAD_VALUE)
def test_one_bad_value_does_not_lose_the_rest(kept, session, how: str) -> None:
    session.click(NAME, 50, 330)
    session.click(NAME, 90, 300)
    save_session(session)
    path = kept / "session.json"
    data = json.loads(path.read_text())
    change, words, marks = ONE_BAD_VALUE[how]
    change(data)
    damaged = json.dumps(data)
    path.write_text(damaged)
    again, (complaint,) = open_session(kept.parent, 99.0)
    assert words in complaint and "\n" not in complaint
    assert len(again.entry(NAME).marks) == marks
    assert again.entry(NAME).candidates is not None
    assert again.box == (99.0 if how == "box" else BOX)
    assert (kept / "session.json.damaged1").read_text() == damaged
    once_more, complaints = open_session(kept.parent, 99.0)  # what was valid is stored
    assert complaints == ()
    assert once_more.entry(NAME).marks == again.entry(NAME).marks


def test_damaged_candidates_are_kept_beside(kept) -> None:
    path = kept / "candidates" / f"{NAME}.csv"
    path.write_text("x,y\n1,2\n")
    again, (complaint,) = open_session(kept.parent, 99.0)
    assert "no scores" in complaint
    assert again.points(NAME).state == (CLICKED,)
    assert (kept / "candidates" / f"{NAME}.csv.damaged1").exists()


def test_a_session_of_a_newer_version_is_left_alone(kept) -> None:
    path = kept / "session.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"version": 2, "more": 1}))
    with pytest.raises(MicrographError, match="newer napari-cryoinr"):
        open_session(kept.parent, 99.0)
    assert [one.name for one in kept.glob("session.json*")] == ["session.json"]


def test_a_session_can_be_kept_elsewhere(kept, session, tmp_path) -> None:
    elsewhere = tmp_path / "other" / "place"
    moved, complaints = session_storage.move_session(session, elsewhere, kept / "model.h5")
    assert complaints == ()
    again, _ = open_session(tmp_path, 99.0, elsewhere)
    assert again.model == MODEL
    assert again.points(NAME).state == session.points(NAME).state == moved.points(NAME).state
    other = new_session(box=60.0)
    found, _ = session_storage.move_session(
        other, elsewhere, None
    )  # the one that is there is opened
    assert found.box == BOX


def test_a_session_without_a_folder_is_not_kept(tmp_path) -> None:
    session, complaints = open_session(None, BOX)
    session.click(NAME, 1, 2)
    save_session(session)
    assert session.folder is None
    assert complaints == ()
    assert not list(tmp_path.iterdir())


def test_redo_ends_with_another_change() -> None:
    entry = Entry()
    entry.add([(1.0, 2.0)])
    entry.add([(3.0, 4.0)])
    both = entry.marks
    assert not entry.redo()
    assert entry.undo()
    assert entry.undo()
    assert entry.marks == ()
    assert entry.redo()
    assert entry.redo()
    assert entry.marks == both
    assert entry.undo()
    entry.add([(5.0, 6.0)])
    assert not entry.can_redo
    assert [mark.x for mark in entry.marks] == [1.0, 5.0]
