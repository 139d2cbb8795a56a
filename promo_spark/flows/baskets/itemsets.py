"""Which sets of items are counted on a date: those of an earlier date, or sets that are mined."""

from __future__ import annotations

import dataclasses
import datetime
import math
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import DataFrame

from promo_spark.contracts.models import ItemsetCounts
from promo_spark.contracts.silver import OrderLines
from promo_spark.flows.baskets.counts import set_counts_of_date
from promo_spark.flows.registry import Fit
from promo_spark.measures.metric_rows import Figure
from promo_spark.measures.refitting import refit_reason
from promo_spark.models.baskets.baskets import (
    BasketCounts,
    basket_items,
    basket_sizes,
    fewest_baskets,
    lines_in_window,
    product_items,
)
from promo_spark.models.baskets.counts import (
    FittedItemsets,
    SetCounts,
    count_rows,
    fitted_itemsets,
    mined_counts,
    risen_share,
)
from promo_spark.models.baskets.itemsets import frequent_itemsets
from promo_spark.runtime.job import Context
from promo_spark.settings.baskets import BasketsSettings


@dataclass(frozen=True)
class CountedItemsets:
    """The sets that are counted on the date, and the baskets; why the sets were mined, "" if they were kept."""

    rows: DataFrame  # ItemsetCounts
    baskets: BasketCounts
    level: str
    reason: str
    miner: str  # by which they were mined; "": they were kept
    trained_on: datetime.date  # when they were mined
    items: DataFrame | None  # BasketItem of the date; None: they were kept
    figures: list[Figure]


def counted_itemsets(ctx: Context[BasketsSettings], products: DataFrame, settings: BasketsSettings) -> CountedItemsets:
    """The sets of the newest earlier date, counted as of the date, where they are to be kept; else mined ones."""
    fitted = fitted_itemsets(ctx.earlier(ItemsetCounts))
    reason = _reason(ctx, fitted, settings)
    if fitted is None or reason:
        return _mined(ctx, products, settings, reason, [])
    counts = set_counts_of_date(ctx, fitted, products)
    baskets = _baskets(counts, fitted, settings)
    fewest_then = _fewest(fitted.all_fitted, settings)
    risen = risen_share(fitted, counts, fewest_then=fewest_then, fewest_now=baskets.fewest)
    figures = [Figure("risen_share", "stored", risen, len(fitted.sets))]
    if settings.refit == "when it drifts" and risen > settings.refit_risen_share:
        limit = f"more than {settings.refit_risen_share:g}"
        reason = f"{risen:.3f} of the itemsets were rarer when they were mined, {limit}"
        return _mined(ctx, products, settings, reason, figures)
    ctx.say(f"keeps the {len(fitted.sets):,} sets that were mined on {fitted.trained_on}")
    rows = ctx.keep(count_rows(ctx.spark, fitted, counts))
    return CountedItemsets(rows, baskets, fitted.level, "", "", fitted.trained_on, None, figures)


def fit_of_date(ctx: Context[BasketsSettings], itemsets: CountedItemsets) -> Fit | None:
    """What was mined on the date; None: nothing."""
    if not itemsets.reason:
        return None
    window = ctx.date - datetime.timedelta(ctx.settings.history_days), ctx.date - datetime.timedelta(1)
    return Fit(
        "itemsets",
        itemsets.miner,
        ctx.settings.refit,
        itemsets.reason,
        rows=itemsets.baskets.kept,
        days=window,
        features=[itemsets.level],
        state=ItemsetCounts,
        metrics={metric: float(n) for metric, n in itemsets.baskets.figures().items()},
    )


def say_what_is_mined(ctx: Context[BasketsSettings], baskets: BasketCounts) -> None:
    """Says how much there is to mine; where there is nothing, why, and what to check."""
    if baskets.kept:
        ctx.say(f"mining {baskets.kept:,} baskets of up to {baskets.largest} items")
        return
    ctx.note(
        "no rules: silver.order_lines has no basket of users who may be profiled in the "
        f"{ctx.settings.history_days} days before {ctx.date}; check --date, baskets.history_days and "
        "business.excluded_*"
    )


def _reason(ctx: Context[BasketsSettings], fitted: FittedItemsets | None, settings: BasketsSettings) -> str:
    """Why the sets are mined on the date, before any is counted; "": they are counted first."""
    if fitted is None:
        return "there were none of an earlier date that can be counted one by one"
    if fitted.level != settings.level:
        return f"items are named by {settings.level}, not by {fitted.level} any more"
    if not fitted.all_fitted:
        return "there was no basket to mine"
    same = fitted.made_by == ctx.made_by
    return refit_reason(settings.refit, date=ctx.date, trained_on=fitted.trained_on, same_maker=same) or ""


def _mined(
    ctx: Context[BasketsSettings], products: DataFrame, settings: BasketsSettings, reason: str, figures: list[Figure]
) -> CountedItemsets:
    """Sets that are mined on the date, also those a little rarer than asked for."""
    lines = lines_in_window(ctx.read(OrderLines), ctx.date, settings.history_days)
    items = ctx.keep(basket_items(lines, product_items(products, settings.level, ctx.business)))
    baskets = BasketCounts.of(basket_sizes(items), settings)
    say_what_is_mined(ctx, baskets)
    lower = math.ceil(Decimal(baskets.fewest) * (1 - Decimal(str(settings.refit_margin))))
    counted = dataclasses.replace(baskets, fewest=max(lower, 1))
    mined = frequent_itemsets(items, baskets=counted, settings=settings, keep=ctx.keep)
    rows = mined_counts(mined.rows, baskets, trained_on=ctx.date, made_by=ctx.made_by, level=settings.level)
    return CountedItemsets(ctx.keep(rows), baskets, settings.level, reason, mined.miner, ctx.date, items, figures)


def _baskets(counts: SetCounts, fitted: FittedItemsets, settings: BasketsSettings) -> BasketCounts:
    return BasketCounts(counts.baskets, counts.giants, fitted.largest, _fewest(counts.baskets, settings))


def _fewest(all_baskets: int, settings: BasketsSettings) -> int:
    return fewest_baskets(all_baskets, min_support=settings.min_support, min_baskets=settings.min_baskets)
