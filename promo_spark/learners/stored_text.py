"""Fitted models as text with a checksum, and back: numbers as JSON, trees as LightGBM's own text; never pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from promo_spark.errors import ContractError
from promo_spark.learners.base_rates import BaseRate
from promo_spark.learners.boosting import BoostedTrees
from promo_spark.learners.linear import LinearModel

Learner = LinearModel | BoostedTrees | BaseRate
_FORM = 1  # of the text; another one is not read


def model_text(learner: Learner, beside: dict[str, Any]) -> str:
    """The learner, and what stands beside it (plain values), as one text; equal models give equal texts."""
    return plain_text({"form": _FORM, **plain_learner(learner), "beside": beside})


def plain_text(plain: Mapping[str, Any]) -> str:
    """Plain values as JSON; equal values give equal texts."""
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def plain_learner(learner: Learner) -> dict[str, Any]:
    """The learner as plain values, with the name of its engine."""
    return {"engine": learner.engine, "learner": learner.to_plain()}


def learner_of(plain: Mapping[str, Any]) -> Learner:
    """The learner that `plain_learner` told."""
    engine, values = plain["engine"], plain["learner"]
    if engine == "boosting":
        return BoostedTrees.from_plain(values)
    if engine == "base_rate":
        return BaseRate.from_plain(values)
    return LinearModel.from_plain(values)


def sha256_of(text: str) -> str:
    """The checksum of a text.

    >>> sha256_of("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_plain(text: str, sha256: str) -> dict[str, Any]:
    """The plain values of a stored text; ContractError where it is not the one that the checksum was made of."""
    if sha256_of(text) != sha256:
        raise ContractError(f"a stored model is damaged: its text does not have the checksum {sha256}; fit it again")
    plain: dict[str, Any] = json.loads(text)
    return plain


def read_model(text: str, sha256: str) -> tuple[Learner, dict[str, Any]]:
    """The learner of a text, and what stands beside it.

    Raises ContractError where the text is not the one that the checksum was made of, or of another form.
    """
    plain = read_plain(text, sha256)
    if plain.get("form") != _FORM:
        raise ContractError(f"a stored model has the form {plain.get('form')!r}, not {_FORM}: fit it again")
    return learner_of(plain), plain["beside"]
