"""Series of any kind and frequency, from a file to forecasts and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from promo_spark.errors import SettingsError, SourceError
from promo_spark.flows.forecast_series import forecast_file
from promo_spark.models.forecasts.regression import regression
from promo_spark.models.forecasts.scaling import Scale, without_outliers
from promo_spark.settings import load

SETTINGS = load(overrides=("forecast.backtest_windows=1", "forecast.models_top=[]")).forecast
EMPTY = dict.fromkeys(("frequency", "season", "until", "gaps", "models", "outliers"), "")
SEASONS = {"h": 24, "D": 7, "W-WED": 52, "MS": 12, "QS": 4, "YS": 1}


def asked(folder: Path, rows: pd.DataFrame, **arguments: str) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    rows.to_csv(folder / "in.csv", index=False)
    given = EMPTY | {"file": str(folder / "in.csv"), "to": str(folder), "horizon": "6"} | arguments
    told = forecast_file(given, SETTINGS)
    return pd.read_csv(folder / "forecasts.csv", parse_dates=["ds"]), pd.read_csv(folder / "models.csv"), told


def rows_of(name: str, values: Any, first: str = "2020-01-01", freq: str = "MS") -> pd.DataFrame:
    return pd.DataFrame({"series_id": name, "ds": pd.date_range(first, periods=len(values), freq=freq), "y": values})


@pytest.mark.parametrize("freq", SEASONS)
def test_any_frequency_is_found_and_its_season_goes_on(tmp_path: Path, freq: str) -> None:
    """F01: hour to year: a rhythm of one season on a slow rise; the six periods held back are foretold within 5 %."""
    season, count = SEASONS[freq], max(4 * SEASONS[freq], 24) + 6
    t = np.arange(count)
    values = 100 + 0.1 * t + (20 * np.sin(2 * np.pi * t / season) if season > 1 else 0)
    rows = rows_of("7", values, "2020-01-01", freq)
    ahead, models, told = asked(tmp_path, rows, until=str(rows.ds[count - 6]))
    best = ahead[ahead.champion]
    assert best.ds.tolist() == rows.ds[count - 6 :].tolist()
    assert np.abs(best.y.to_numpy() / values[-6:] - 1).max() < 0.05
    assert (
        (best.lower_95 <= best.lower_80).all() and (best.lower_80 <= best.y).all() and (best.y <= best.upper_80).all()
    )
    champion = models[models.champion].iloc[0]
    assert champion.mae == pytest.approx(np.abs(best.y.to_numpy() - values[-6:]).mean())
    assert f"a season of {season}" in told


def test_regressors_are_fitted_and_must_be_known_ahead(tmp_path: Path) -> None:
    """F08: a planted promotion of +30 % is found within 5 points, and foretold where it is planned."""
    draw = np.random.default_rng(4)
    t = np.arange(126)
    promoted = (draw.random(126) < 0.3).astype(float)
    promoted[-6:] = [1, 0, 1, 0, 1, 0]
    week = np.array([0.8, 0.9, 1.0, 1.0, 1.1, 1.3, 0.9])[t % 7]
    values = 50 * week * 1.3**promoted * np.exp(draw.normal(0, 0.05, 126))
    rows = rows_of("a", values, freq="D").assign(promo=promoted)
    rows.loc[120:, "y"] = np.nan
    ahead, models, _ = asked(tmp_path, rows)
    champion = models[models.champion].iloc[0]
    assert champion.model == "Regression"
    effect = float(champion.parameters.removeprefix("promo: ").removesuffix(" as a share"))
    assert effect == pytest.approx(0.30, abs=0.05)
    best = ahead[ahead.champion].y.to_numpy()
    assert best == pytest.approx(50 * week[-6:] * 1.3 ** promoted[-6:], rel=0.08)
    with pytest.raises(SourceError, match="regressor has no value in some period"):
        asked(tmp_path, rows[:120])  # nobody says what is planned


def test_a_forest_finds_the_promotion_and_sees_no_day_after_the_cut(tmp_path: Path) -> None:
    """F08, F09: +30 % within 5 points by the forest as by the regression; what comes after the cut changes no forecast.

    Errors are those of the days from the cut on: of other days after it they are others.
    """
    draw = np.random.default_rng(8)
    t = np.arange(400)
    promoted = (draw.random(400) < 0.3).astype(float)
    week = np.array([0.8, 0.9, 1.0, 1.0, 1.1, 1.3, 0.9])[t % 7]
    rows = rows_of("a", 50 * week * 1.3**promoted * np.exp(draw.normal(0, 0.05, 400)), freq="D").assign(promo=promoted)
    until = str(rows.ds[394].date())
    ahead, models, _ = asked(tmp_path, rows, until=until)
    told = models.set_index("model")
    for engine in ("Regression", "RandomForest"):
        effect = told.parameters[engine].removeprefix("promo: ").removesuffix(" as a share")
        assert float(effect) == pytest.approx(0.30, abs=0.05)
    later = rows.assign(y=np.where(t >= 394, 2 * rows.y, rows.y))
    ahead_of_later, models_of_later, _ = asked(tmp_path, later, until=until)
    pd.testing.assert_frame_equal(ahead_of_later, ahead)
    assert (models_of_later.mae > models.mae).all()


def test_a_regression_in_units_where_a_value_is_not_above_zero() -> None:
    """y = 2 + 3·x, below 0, too: each unit of x is 3, and so is foretold."""
    x = np.tile([-2.0, 0.0, 1.0], 10)[:, None]
    found = regression(2 + 3 * x[:, 0], x, np.array([[4.0]]), 1)
    assert not found.in_shares and list(found.effects) == pytest.approx([3.0])
    assert found.ahead == pytest.approx([14.0])


def test_gaps_are_what_is_said(tmp_path: Path) -> None:
    """F01 (part): a period without a row is an error that names it, nothing sold, or not known."""
    rows = rows_of("a", np.full(40, 10.0)).drop(index=[30])
    with pytest.raises(SourceError, match="series a has no row of 2022-07: say what gaps are"):
        asked(tmp_path, rows)
    kept, _, _ = asked(tmp_path, rows, gaps="keep")
    assert kept[kept.champion].y.to_numpy() == pytest.approx(10.0)  # as if nothing was missing
    zero, _, _ = asked(tmp_path, rows, gaps="zero", models="SeasonalNaive")  # May 2023 on, as a year before
    assert zero[zero.champion].y.tolist() == [10, 10, 0, 10, 10, 10]


def test_values_below_zero_and_parameters(tmp_path: Path) -> None:
    """F05 (part): temperatures go below 0; AutoARIMA says its orders, and the equation with its numbers."""
    values = -5 - np.arange(1.0, 31) + np.random.default_rng(3).normal(0, 0.05, 30)
    ahead, models, _ = asked(tmp_path, rows_of("t", values, "1990-01-01", "YS"), models="AutoARIMA")
    assert ahead[ahead.model == "AutoARIMA"].y.to_numpy() == pytest.approx(np.arange(-36.0, -42, -1), abs=0.1)
    told = models[models.model == "AutoARIMA"].parameters.iloc[0]
    assert told.startswith("ARIMA(0,1,1) with drift: (1 − B)X[t] = −1.001 + W[t]; W[t] = −0.7")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"outliers": "drop"}, "--outliers drop is unknown; write keep or cut"),
        ({"gaps": "skip"}, "--gaps skip is unknown; write error, zero or keep"),
        ({"horizon": "0"}, "--horizon '0' is no number of periods"),
        ({"until": "soon"}, "--until 'soon' is no time"),
        ({"models": "Prophet"}, "--models: there is no model Prophet"),
    ],
)
def test_what_cannot_be_right_is_said(tmp_path: Path, change: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        asked(tmp_path, rows_of("a", np.ones(20)), **change)


def test_what_is_no_series_is_said(tmp_path: Path) -> None:
    rows = rows_of("a", np.ones(20))
    with pytest.raises(SourceError, match="has no column y; it has series_id, ds, sold"):
        asked(tmp_path, rows.rename(columns={"y": "sold"}))
    with pytest.raises(SourceError, match="series a has two rows of 2020-01"):
        asked(tmp_path, pd.concat([rows, rows[:1]]))
    with pytest.raises(SourceError, match="there is no frequency 'decade'; there are: hour, day"):
        asked(tmp_path, rows, frequency="decade")


def test_a_scale_is_undone_and_outliers_are_cut(tmp_path: Path) -> None:
    """B11: inverse(transform(y)) is y to 1e-9, a constant is not divided by 0; a week's peak stays, an outlier goes."""
    values = np.random.default_rng(1).gamma(2, 50, 200)
    scale = Scale.of(values)
    assert np.abs(scale.undone(scale.applied(values)) - values).max() < 1e-9
    constant = Scale.of(np.full(9, 4.0))
    assert constant.applied(np.full(9, 4.0)).tolist() == [0.0] * 9
    week = np.tile([5.0, 3, 4, 6, 9, 14, 12], 10) + np.random.default_rng(2).normal(0, 0.3, 70)
    spoilt = week.copy()
    spoilt[50] = 500
    cleaned = without_outliers(spoilt, 7)
    told, _, _ = asked(tmp_path, rows_of("a", spoilt, freq="D"), models="WindowAverage", outliers="cut")
    assert told.y.to_numpy() == pytest.approx(cleaned[-28:].mean(), abs=1e-6)
    assert cleaned[50] < 15 and np.delete(cleaned, 50) == pytest.approx(np.delete(week, 50), abs=0.5)
