"""Functions that hand their arguments on to another one."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def parameters_of(other: Callable[P, Any]) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """Give the decorated function the parameters of another, for type checkers and for `help`."""

    def decorate(function: Callable[..., T]) -> Callable[P, T]:
        returned = signature(function).return_annotation
        shown: Any = function
        shown.__signature__ = signature(other).replace(return_annotation=returned)
        return function

    return decorate
