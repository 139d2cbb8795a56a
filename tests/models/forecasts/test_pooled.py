"""One model of all series: what a plan does, and what is done without one, where the truth is known."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from promo_spark.errors import ContractError
from promo_spark.learners.stored_text import sha256_of
from promo_spark.models.forecasts.fitting import forecast_batch, whole_batch
from promo_spark.models.forecasts.local_models import Floats
from promo_spark.models.forecasts.panel import Days
from promo_spark.models.forecasts.pooled import POOLED, Pooled, PooledLevel
from promo_spark.models.forecasts.pooled_fit import fitted_pooled, local_windows
from promo_spark.models.forecasts.shares import shares_of
from promo_spark.settings import Settings
from promo_spark.settings.forecast import ForecastSettings

PRODUCTS, PAST, HORIZON = 40, 210, 14
USUAL, MORE = 20.0, 1.5  # units a day, and what a display makes of them
TODAY = Days((datetime.date(2017, 11, 6) - datetime.date(1970, 1, 1)).days)


@pytest.fixture
def plan(settings: Settings) -> ForecastSettings:
    """Local models that cost little; 14 days ahead, three windows."""
    return settings.forecast.model_copy(
        update={
            "horizon_days": HORIZON,
            "models_regular": ["SeasonalNaive", "WindowAverage", "SeasonalWindowAverage"],
            "ensemble_regular": ["WindowAverage", "SeasonalWindowAverage"],
            "models_top": [],
            "pooled": settings.forecast.pooled.model_copy(update={"judged_series": 40}),
        }
    )


def displays() -> dict[str, Floats]:
    """By product and day its display: one fortnight in four.

    Product 0 is on display in the fortnight to come and was not in the six weeks before, product 1 in none of them.
    """
    fortnights = np.random.default_rng(5).random((PRODUCTS, (PAST + HORIZON) // HORIZON)) < 0.25
    fortnights[:2, -4:], fortnights[0, -1] = False, True
    by_day = np.repeat(fortnights, HORIZON, axis=1).astype(float)
    return {f"product:{place:02}": by_day[place] for place in range(PRODUCTS)}


def shop(*, planned: bool) -> pd.DataFrame:
    """SeriesToForecast: what is on display sells half as much again."""
    display = np.array(list(displays().values()))
    units = np.random.default_rng(6).poisson(USUAL * np.where(display > 0, MORE, 1.0)).astype(float)
    unknown = np.full(PAST, np.nan)
    return pd.DataFrame(
        {
            "series_id": f"product:{place:02}",
            "level": "product",
            "item_id": f"{place:02}",
            "units": units[place, :PAST],
            "display": display[place] if planned else np.full(PAST + HORIZON, np.nan),
            "mailer": np.full(PAST + HORIZON, 0.0 if planned else np.nan),
            "daily_price": unknown,
            "stock_out": unknown,
            "top": False,
        }
        for place in range(PRODUCTS)
    )


def fitted(rows: pd.DataFrame, plan: ForecastSettings) -> Pooled:
    found = fitted_pooled(rows, TODAY, plan, lambda ids: local_windows(rows[rows.series_id.isin(ids)], plan))
    assert found is not None
    return found


def champions(models: pd.DataFrame) -> dict[str, Floats]:
    return {str(row.series_id): np.asarray(row.units) for row in models[models.champion].itertuples()}


def test_a_planned_display_is_in_the_forecast_and_in_no_local_one(plan: ForecastSettings) -> None:
    """F08 (part: the job's forecasts know promotions). 14 days on display sell 14 × 20 × 1.5 = 420 units."""
    rows = shop(planned=True)
    pooled = fitted(rows, plan)
    with_plan, alone = (champions(whole_batch(rows, plan, of)) for of in (pooled, None))
    truth = HORIZON * USUAL * MORE
    assert abs(with_plan["product:00"].sum() / truth - 1) < 0.1
    assert abs(alone["product:00"].sum() / truth - 1) > 0.25  # it knows of 280 units a fortnight
    assert abs(with_plan["product:01"].sum() / (HORIZON * USUAL) - 1) < 0.1  # not displayed, and no more sold
    # of the first origin no window tells, of the next one alone
    shares = pooled.levels["product"].shares["regular"][:, 0]
    assert shares[0] > 0.6 and shares[1] > 0.6 and 0 < shares[2] <= 0.5 and shares[3] == 0


def test_an_announced_reduction_is_in_the_forecast_by_its_depth(plan: ForecastSettings) -> None:
    """F08 (part: announced reductions). Demand is 20 · exp(2.5 · depth): at a tenth off 25.7 a day, at 0.4 off 54.4.

    Nothing is displayed; product 0 is to be reduced by 0.4, product 1 by a tenth, product 2 not at all.
    """
    random = np.random.default_rng(7)
    by_fortnight = random.choice([0.0, 0.1, 0.25, 0.4], (PRODUCTS, (PAST + HORIZON) // HORIZON), p=[0.7, 0.1, 0.1, 0.1])
    by_fortnight[:3, -4:-1], by_fortnight[:3, -1] = 0.0, (0.4, 0.1, 0.0)
    depth = np.repeat(by_fortnight, HORIZON, axis=1)
    units = random.poisson(USUAL * np.exp(2.5 * depth)).astype(float)
    nothing = pd.Series([np.zeros(PAST + HORIZON)] * PRODUCTS)
    rows = shop(planned=True).assign(
        units=pd.Series(list(units[:, :PAST])), display=nothing, mailer=nothing, depth=pd.Series(list(depth))
    )
    announced = champions(whole_batch(rows, plan, fitted(rows, plan)))
    untold = rows.assign(depth=nothing)
    unannounced = champions(whole_batch(untold, plan, fitted(untold, plan)))
    for place, truth in enumerate(HORIZON * USUAL * np.exp(2.5 * depth[:3, -1])):
        assert abs(announced[f"product:{place:02}"].sum() / truth - 1) < 0.1
    assert unannounced["product:00"].sum() < 0.6 * HORIZON * USUAL * np.exp(2.5 * 0.4)


def test_without_a_plan_forecasts_are_as_those_of_the_series_own_models(plan: ForecastSettings) -> None:
    """F11 (part: a model takes part where windows say that it is better)."""
    rows = shop(planned=False)
    weeks = [np.resize([5.0, 3.0, 4.0, 6.0, 9.0, 14.0, 12.0], PAST) * (1 + place) for place in range(PRODUCTS)]
    certain = rows.assign(units=pd.Series(weeks))  # what each sells is known to its own models
    with_pooled, alone = (whole_batch(certain, plan, of) for of in (fitted(certain, plan), None))
    assert POOLED not in set(with_pooled.model)
    pd.testing.assert_frame_equal(with_pooled, alone)

    # where displays come that nobody plans, the model may have a share, and does no harm
    truth = {name: HORIZON * USUAL * (MORE if shown[-1] else 1.0) for name, shown in displays().items()}
    errors = [
        sum(abs(units.sum() - truth[name]) for name, units in champions(whole_batch(rows, plan, of)).items())
        for of in (fitted(rows, plan), None)
    ]
    assert errors[0] < 1.02 * errors[1]


def test_what_is_stored_says_the_same_whatever_the_batch(plan: ForecastSettings) -> None:
    rows = shop(planned=True)
    pooled = fitted(rows, plan)
    model = pooled.levels["product"]
    assert fitted(rows.sample(frac=1, random_state=1), plan).levels["product"].text() == model.text()
    whole = champions(forecast_batch(rows, plan, pooled))
    one = champions(forecast_batch(rows.iloc[:1], plan, pooled))
    assert one["product:00"].tolist() == whole["product:00"].tolist()

    text = model.text()
    stored = Pooled(TODAY, {"product": PooledLevel.of_text(text, sha256_of(text))})
    assert stored.levels["product"].text() == text
    tried = whole_batch(rows, plan, pooled)
    keeping = rows.merge(
        tried[tried.champion].drop(columns=["level", "item_id", "units", "price"]), on="series_id"
    ).assign(trained_on=datetime.date(2017, 11, 6))
    kept = forecast_batch(keeping, plan, stored)
    assert len(kept) == PRODUCTS  # a champion each, run once
    found = champions(kept)
    assert all(np.allclose(found[name], units, atol=1e-5) for name, units in champions(tried).items())
    with pytest.raises(ContractError, match="a stored model is damaged"):
        PooledLevel.of_text(text + " ", sha256_of(text))


def test_days_that_a_plan_does_not_reach_are_forecast_without_it(plan: ForecastSettings) -> None:
    """The calendar ends after a week: of the second week nothing is shown in windows either."""
    rows = shop(planned=True)
    for column in ("display", "mailer"):
        known = [np.where(np.arange(PAST + HORIZON) < PAST + 7, of, np.nan) for of in rows[column]]
        rows = rows.assign(**{column: pd.Series(known)})
    pooled = fitted(rows, plan)
    model = pooled.levels["product"]
    assert model.planned == (True,) * 7 + (False,) * 7
    found = champions(whole_batch(rows, plan, pooled))["product:00"]
    assert abs(found[:7].sum() / (7 * USUAL * MORE) - 1) < 0.1
    assert found[7:].sum() < 7 * USUAL * 1.25


def test_windows_that_differ_leave_little_of_a_share() -> None:
    """Two windows of one series that sells 10: its models say 8; the other says 10 in one, 5 in the next."""
    sold, own, pooled = np.full((1, 2, 1), 10.0), np.full((1, 2, 1), 8.0), np.array([[[10.0], [5.0]]])
    # at any share s the errors are 2 − 2 s and 2 + 3 s: more together than 2 + 2
    assert shares_of(sold, own, pooled, np.array([False])).tolist() == [[0.0], [0.0], [0.0]]
    # as of the last window the one before it told; a share of 1 is halved, as it is one window's
    assert shares_of(sold, own, pooled[:, ::-1], np.array([False])).tolist() == [[0.0], [0.5], [0.0]]
