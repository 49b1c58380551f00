"""Fixtures for the tests of the widget Pick particles; without napari there are none."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("napari") is None:
    collect_ignore_glob = ["*.py"]
else:
    from pick_fixtures import *  # noqa: F403
