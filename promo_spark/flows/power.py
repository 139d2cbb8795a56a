"""The step of the power command: how many users an experiment needs, in a sentence."""

from __future__ import annotations

from collections.abc import Mapping

from promo_spark.errors import SettingsError
from promo_spark.measurement.power import users_needed

_USUAL = {"share": 0.5, "alpha": 0.05, "power": 0.8}


def needed(arguments: Mapping[str, str]) -> str:
    """The users of each arm. Raises SettingsError for what is no number, or none that can be asked."""
    asked = {name: _number(name, text) for name, text in arguments.items() if text}
    base, lift = asked["base"], asked["lift"]
    usual = _USUAL | {name: asked[name] for name in _USUAL if name in asked}
    arms = users_needed(base, lift, **usual)
    each = (
        f"{arms.control:,} users per arm"
        if arms.control == arms.treated
        else f"{arms.control:,} users without offers and {arms.treated:,} with them"
    )
    becomes = base * (1 + lift)
    return (
        f"{each}: a conversion of {base:.4g} that becomes {becomes:.4g} is then seen in {usual['power']:.4g} of all "
        f"experiments, and in {usual['alpha']:.4g} of those where nothing changes something seems to."
    )


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise SettingsError(f"--{name} {text!r} is no number; write a share such as 0.05") from None
