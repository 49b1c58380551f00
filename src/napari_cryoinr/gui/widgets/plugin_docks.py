"""Opening the docks of this plugin from code, as napari's menu does."""

from __future__ import annotations

from typing import Any

from ..preferences import PLUGIN
from .dock import dock_of

_DISPLAYED = "CryoINR"  # what napari's menus call the plugin


def open_dock(viewer: Any, name: str) -> Any:
    """Return a widget of this plugin by its title, in sight, in a new dock if it is not open.

    `Window.add_plugin_dock_widget` would open a second one beside that of napari's menu, whose
    title has the plugin's display name.
    """
    from npe2 import PluginManager

    docks = viewer.window.dock_widgets
    titles = [f"{name} ({_DISPLAYED})", f"{name} ({PLUGIN})"]
    widget = next((docks[title] for title in titles if title in docks), None)
    if widget is None:
        contributions = PluginManager.instance().iter_widgets()
        found = (one for one in contributions if one.plugin_name == PLUGIN)
        one = next(one for one in found if one.display_name == name)
        widget, area = one.get_callable()(viewer), one.default_dock_area or "right"
        viewer.window.add_dock_widget(widget, name=titles[0], area=area, tabify=bool(one.tabify))
    if (dock := dock_of(widget)) is not None:
        dock.show()
        dock.raise_()
    return widget
