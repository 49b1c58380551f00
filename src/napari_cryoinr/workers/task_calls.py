"""Calls of tasks and their results as JSON data, checked against the type hints of the task.

A task is a function that returns a generator of progress. What it takes and returns is JSON data,
records (`support.records`) and tuples of both.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import make_dataclass
from functools import lru_cache, partial
from typing import Any, get_args, get_type_hints

from ..errors import CinrError
from ..progress import Steps
from ..support.records import from_dict, to_dict


@lru_cache(maxsize=32)
def _records(task: Any) -> tuple[type, type]:
    """Classes of records for the arguments of a task and for its result."""
    hints = get_type_hints(task)
    _, _, result = get_args(hints.pop("return"))  # of Generator[Progress, None, result]
    return make_dataclass("Arguments", hints.items()), make_dataclass("Result", [("value", result)])


def call_to_json(call: partial[Steps[Any]]) -> dict[str, Any]:
    """JSON data of a task and all its arguments."""
    arguments = _records(call.func)[0]
    bound = inspect.signature(call.func).bind(*call.args, **call.keywords).arguments
    return {"task": call.func.__name__, "arguments": to_dict(arguments(**bound))}


def call_from_json(data: Mapping[str, Any], tasks: Mapping[str, Any]) -> partial[Steps[Any]]:
    """The inverse of `call_to_json`, for the tasks of a table.

    Raises
    ------
    CinrError
        For arguments that do not fit the type hints.
    """
    task = tasks[data["task"]]
    arguments: Any = from_dict(_records(task)[0], data["arguments"], CinrError)
    return partial(task, **vars(arguments))


def result_to_json(task: Any, value: Any) -> dict[str, Any]:
    """JSON data of what a task returned."""
    return to_dict(_records(task)[1](value))


def result_from_json(task: Any, data: Any) -> Any:
    """The inverse of `result_to_json`."""
    return from_dict(_records(task)[1], data, CinrError).value
