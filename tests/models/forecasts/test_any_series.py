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
    assert champion.mae == pytest.approx(np.abs(best.y.to_numpy() - values[-6:]).mean(), abs=2e-6)  # rounded
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
    with pytest.raises(SourceError, match="series a: regressor promo has no value of 2020-04-30"):
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


def test_what_never_changes_goes_on(tmp_path: Path) -> None:
    """Nothing can be measured against the error of a naive forecast that has none."""
    week = np.tile([1.0, 2, 3, 4, 5, 6, 7], 30)
    for values in (np.full(206, 5.0), np.zeros(206), week[:206]):
        ahead, _, _ = asked(tmp_path, rows_of("a", values[:200], freq="D"))
        assert ahead[ahead.champion].y.to_numpy() == pytest.approx(values[200:])


def test_of_two_values_no_error_is_known(tmp_path: Path) -> None:
    ahead, models, told = asked(tmp_path, rows_of("a", [9.0, 8.0]))
    assert ahead.lower_95.isna().all() and ahead.y.notna().all() and models.season_strength.isna().all()
    assert "Of 1 series no error could be measured" in told


def test_a_trend_beside_a_season_is_seen(tmp_path: Path) -> None:
    """Five years by month rise by 1 a month, ten up and down over the year, with noise of 2: so does the sixth."""
    t = np.arange(72)
    values = 100 + t + 10 * np.sin(2 * np.pi * t / 12) + np.random.default_rng(1).normal(0, 2, 72)
    _, models, _ = asked(tmp_path, rows_of("a", values), horizon="12", until="2025-01-01")
    assert models[models.champion].mae.iloc[0] < 4  # a straight line is off by 10 × 2 / π, 6.4


def test_times_are_read_as_they_are_meant(tmp_path: Path) -> None:
    """Years alone, instants with an offset (told in UTC), last days of months; what is ambiguous is refused."""
    years = rows_of("a", np.arange(20.0), "2000-01-01", "YS").assign(ds=[str(year) for year in range(2000, 2020)])
    ahead, _, _ = asked(tmp_path, years)
    assert str(ahead.ds.min().date()) == "2020-01-01"
    hours = rows_of("a", np.arange(200.0), "2024-03-28", "h")
    local = hours.ds.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin").map(lambda at: at.isoformat())
    ahead, _, _ = asked(tmp_path, hours.assign(ds=local))  # the clock moves on within these days: no hour is missing
    assert ahead.ds.min() == hours.ds.max() + pd.Timedelta(hours=1)
    ahead, _, _ = asked(tmp_path, rows_of("a", np.arange(30.0), freq="ME"))
    assert str(ahead.ds.min().date()) == "2022-07-31"
    for wrong in ("03/01/2018", "soon"):
        with pytest.raises(SourceError, match=f"ds '{wrong}' is no time; write days as 2024-01-31"):
            asked(tmp_path, years.assign(ds=[wrong, *years.ds[1:]]))
    with pytest.raises(SourceError, match="y has a value that is not finite"):
        asked(tmp_path, years.assign(y=[np.inf, *years.y[1:]]))


def test_a_series_that_had_not_begun_stops_no_other(tmp_path: Path) -> None:
    rows = pd.concat([rows_of("old", np.arange(60.0)), rows_of("young", np.ones(6), "2024-06-01")])
    ahead, _, told = asked(tmp_path, rows, until="2024-06-01")
    assert set(ahead.series_id) == {"old"} and "1 series have no value before --until: left out" in told
    with pytest.raises(SettingsError, match="there is no value of that time or later to judge by"):
        asked(tmp_path, rows, until="2030-01-01")
    with pytest.raises(SourceError, match="no row with a value of y before --until 2000-01-01"):
        asked(tmp_path, rows, until="2000-01-01")


def test_nothing_sold_lasts_to_the_end_of_all(tmp_path: Path) -> None:
    """With gaps of zero a product whose last sale was long ago has sold nothing since, and is forecast from today."""
    rows = pd.concat([rows_of("a", np.ones(60), freq="D"), rows_of("b", np.ones(40), freq="D")])
    ahead, _, _ = asked(tmp_path, rows, gaps="zero", models="SeasonalNaive")
    assert ahead[ahead.champion].groupby("series_id").ds.min().nunique() == 1
    assert (ahead[(ahead.series_id == "b") & ahead.champion].y == 0).all()


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


def test_a_network_of_all_series_is_used_where_it_wins(tmp_path: Path) -> None:
    """F06: thirty series by x' = 3.8 x (1 − x), each of its own size: no line tells the next value from the last."""
    rng = np.random.default_rng(8)
    every = []
    for n in range(30):
        x = [rng.uniform(0.2, 0.8)]
        while len(x) < 61:
            x.append(3.8 * x[-1] * (1 - x[-1]))
        every.append(rows_of(f"s{n:02}", 10.0 ** rng.integers(0, 4) * np.array(x), "1950-01-01", "YS"))
    rows = pd.concat(every)
    ahead, models, _ = asked(tmp_path, rows, horizon="1", until="2010-01-01", models="LSTM,Theta")
    assert set(models.model) == {"LSTM", "Theta"}  # no ensemble is of one
    of = models.pivot(index="series_id", columns="model", values="mase")
    assert of.LSTM.mean() < of.Theta.mean() / 2
    assert (models[models.champion].model == "LSTM").sum() >= 25
    best = ahead[ahead.champion & (ahead.model == "LSTM")]
    assert (best.lower_95 < best.lower_80).all() and (best.lower_80 < best.y).all()


def test_too_few_points_are_no_matter_for_a_network(tmp_path: Path) -> None:
    """F18, F06: of seven points the drift of 25 goes on to 275, 300, 325, and the network says why it does not."""
    toy = rows_of("toy", [100, 120, 150, 180, 200, 220, 250])
    ahead, models, _ = asked(tmp_path, toy, horizon="3", models="LSTM")
    assert ahead.y.tolist() == [275.0, 300.0, 325.0] and ahead.champion.all()
    failed = models.set_index("model").loc["LSTM"]
    assert failed.failure == "insufficient history" and not failed.champion and np.isnan(failed.mae)
