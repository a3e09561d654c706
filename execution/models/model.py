"""The base of account and cost models: the keys that each has in a spec, and how it is built from them."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, ClassVar, Self

from tieout.execution.errors import InvalidSetting

Rate = str | int | float | Decimal
"""A share or a price: text and Decimals are taken as written."""


class Model:
    """A model that a spec can name.

    *name* is what a spec calls it: the key that holds its rate, or the value of ``kind``. *keys* are the keys
    of its table in a spec, each with the attribute that takes the value. A value is read by the type of that
    attribute, so that a model needs no entry anywhere else.
    """

    __slots__ = ()
    name: ClassVar[str]
    keys: ClassVar[Mapping[str, str]]

    @classmethod
    def from_spec(cls, values: Mapping[str, Any]) -> Self:
        """Build the model from the values of its keys. Raises `InvalidSetting` where one is not allowed."""
        build: Callable[..., Self] = cls
        return build(**{cls.keys[key]: value for key, value in values.items()})

    def spec(self) -> dict[str, Any]:
        """Return the keys and values that the journal records."""
        return {key: getattr(self, attribute) for key, attribute in self.keys.items()}


def models_in(package: str) -> dict[str, type[Model]]:
    """Find the models in the files of *package*, by their names."""
    models = {}
    for file in iter_modules(import_module(package).__path__):
        for value in vars(import_module(f"{package}.{file.name}")).values():
            if isinstance(value, type) and issubclass(value, Model) and value is not Model:
                models[value.name] = value
    return models


def as_rate(value: Rate) -> float:
    """Convert a rate, an amount or a share to float64. Raises `InvalidSetting` for one below zero."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not 0 <= number < float("inf"):
        raise InvalidSetting(f"a rate, amount or share is a number of zero or more, not {value!r}")
    return number


def as_optional_rate(value: Rate | None) -> float | None:
    """Convert as `as_rate` does. None stays None."""
    return None if value is None else as_rate(value)
