"""The scale bar of a window into which a first map is opened."""

from __future__ import annotations

from ..jobs.blocking_run import has_event_loop

_DONE = "cryoinr_scale_bar"  # a property of the window: from then on the user decides


def switch_on() -> None:
    """Show the scale bar of the current window if it has no layers yet; once for each window."""
    if not has_event_loop():
        return
    from napari import current_viewer

    viewer = current_viewer()
    if viewer is None or len(viewer.layers):
        return
    window = viewer.window._qt_window
    if not window.property(_DONE):
        window.setProperty(_DONE, True)
        viewer.canvas.overlays.scale_bar.visible = True
