"""What the models say as of a date: segments, rules, recommendations, forecasts, and how good they are."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.features import AsOf
from promo_spark.contracts.schema import Check, Col, Personal, Table, WriteMode
from promo_spark.contracts.vocabulary import RECOMMENDATION_SOURCES

_TEXT = T.StringType()
_LONG = T.LongType()
_DOUBLE = T.DoubleType()
_TEXTS = T.ArrayType(_TEXT)
_DOUBLES = T.ArrayType(_DOUBLE)
_LEVELS = (
    "product, category, store or all; other_products, other_categories, other_stores: what those without a series of "
    "their own sell"
)
_ITEMS = "the product, category or store, or all; of other_products their category, of other_categories and _stores all"


class Predicted(AsOf):
    """Base of the model tables."""

    layer = "models"


class Segments(Predicted):
    """One row per user: the segment, by an id that stays the same from day to day.

    Users are grouped twice: by value, how much and how often they buy, and by behaviour, how they buy and answer to
    offers. No two segments have the same id, of whichever grouping. Columns of the behaviour are null where
    `segment.behaviour.features` is empty.
    """

    name = "segments"
    key = ("as_of", "user_id")
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    segment_id = Col(
        T.IntegerType(), "stable id of the segment, by value; 0 is for users without orders", required=True
    )
    segment_name = Col(_TEXT, "the segment's name, from its centre", required=True)
    distance = Col(_DOUBLE, "distance to the centre in scaled features; null: users without orders")
    membership = Col(
        _DOUBLE,
        "how clearly the user is in it: distance to the nearest other centre as a share of that and `distance`; 1 at "
        "the centre, 0.5 halfway, less: the user stays by segment.stay_margin; null: no orders, or there is no other",
        unit="share",
    )
    behaviour_id = Col(T.IntegerType(), "stable id of the segment by behaviour; 0: as above")
    behaviour_name = Col(_TEXT, "its name, from its centre")
    behaviour_distance = Col(_DOUBLE, "distance to its centre; null: as above")
    behaviour_membership = Col(_DOUBLE, "how clearly the user is in it; null: as above", unit="share")


class ItemsetCounts(Predicted):
    """One row per set of items that is counted, and one without items: the baskets of the window that hold it.

    Which sets are counted is found by mining, when the job fits: those of the support that is asked for, and those a
    little below it. On other dates the same sets are counted.
    """

    name = "itemset_counts"
    key = ("as_of", "level", "items")
    level = Col(_TEXT, "what an item is: product, subcategory or category", required=True)
    items = Col(_TEXTS, "the items, sorted; none: the row of all baskets", required=True)
    baskets = Col(_LONG, "baskets that hold all of them", required=True)
    fitted_baskets = Col(_LONG, "how many held them when the sets were mined", required=True)
    expected_share = Col(
        _DOUBLE,
        "of all baskets, those that would have held both then, were each user's purchases shuffled among the "
        "user's own baskets; null: not two items",
        "share",
    )
    giant_baskets = Col(_LONG, "baskets cut out as they hold too many items; null but in the row of all baskets")
    largest_basket = Col(T.IntegerType(), "items in the largest basket that counts, as of the fit", required=True)
    trained_on = Col(
        T.DateType(), "the date as of which the sets were mined: as_of of their row in models.registry", required=True
    )
    made_by = Col(_TEXT, "digest of the code and the settings that they were mined by", required=True)


class FrequentItemsets(Predicted):
    """One row per set of items that is bought together often enough."""

    name = "frequent_itemsets"
    key = ("as_of", "level", "items")
    level = Col(_TEXT, "what an item is: product, subcategory or category", required=True)
    items = Col(_TEXTS, "the items, sorted", required=True)
    size = Col(T.IntegerType(), "number of items", required=True)
    baskets = Col(_LONG, "baskets that hold all of them", required=True)
    support = Col(_DOUBLE, "those as a share of all baskets, one-item baskets included", "share", required=True)
    expected_baskets = Col(
        _DOUBLE,
        "baskets that would hold both, were each user's purchases shuffled among the user's own baskets; null: not two "
        "items",
    )


class BasketRules(Predicted):
    """One row per rule antecedent ⇒ consequent."""

    name = "basket_rules"
    key = ("as_of", "level", "antecedent", "consequent")
    checks = (Check("confidence_is_share", "confidence", "between", (0.0, 1.0)),)
    level = Col(_TEXT, "what an item is: product, subcategory or category", required=True)
    antecedent = Col(_TEXTS, "items in the basket, sorted", required=True)
    consequent = Col(_TEXTS, "items then found too, sorted", required=True)
    baskets = Col(_LONG, "baskets with both", required=True)
    antecedent_baskets = Col(_LONG, "baskets with the antecedent", required=True)
    consequent_baskets = Col(_LONG, "baskets with the consequent", required=True)
    all_baskets = Col(_LONG, "all baskets, one-item baskets included", required=True)
    support = Col(_DOUBLE, "baskets / all baskets", unit="share", required=True)
    confidence = Col(_DOUBLE, "baskets / antecedent baskets", unit="share", required=True)
    lift = Col(_DOUBLE, "confidence / share of baskets with the consequent; 1 = no association", required=True)
    leverage = Col(_DOUBLE, "support − product of the two supports", required=True)
    conviction = Col(_DOUBLE, "(1 − consequent support) / (1 − confidence); null where confidence is 1")
    expected_baskets = FrequentItemsets.columns()[FrequentItemsets.expected_baskets]
    lift_within_users = Col(
        _DOUBLE, "baskets / expected baskets: what tastes and full baskets do not explain; 1 = no association"
    )
    p_value = Col(_DOUBLE, "one-sided p that so many baskets hold both by habit and chance; null: not two items")
    q_value = Col(_DOUBLE, "share of false ones among the pairs of such a p or less; null: not two items", "share")
    is_bundle = Col(
        T.BooleanType(), "two items that belong together: more often in one basket than habit explains", required=True
    )
    sentence = Col(_TEXT, "the rule in words", required=True)


class Recommendations(Predicted):
    """One row per user and rank: what to show this user."""

    name = "recommendations"
    key = ("as_of", "user_id", "rank")
    checks = (
        Check("rank_from_1", "rank", ">=", 1),
        Check("source_known", "source", "in", RECOMMENDATION_SOURCES),
    )
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    rank = Col(T.IntegerType(), "1 = best", required=True)
    product_id = Col(_TEXT, "the product", required=True)
    score = Col(
        _DOUBLE,
        "where the second stage ranks, the probability of a purchase within 28 days; else the recommender's own score, "
        "comparable within a source only",
        required=True,
    )
    source = Col(
        _TEXT,
        "als, ranked: not bought before, by the vectors of products or by the second stage; a recommender of the first "
        "stage, such as item_neighbours: not bought before, by that one; buy_again: bought before; popular_in_segment, "
        "popular: the fallback",
        required=True,
    )
    reason = Col(_TEXT, "why, in words a customer could read", required=True)


class ItemFactors(Predicted):
    """One row per product that recommendations were fitted on: the vector by which lists of the date are made.

    A date on which they are not fitted again has the rows of the date before.
    """

    name = "item_factors"
    key = ("as_of", "product_id")
    product_id = Col(_TEXT, "the product", required=True)
    factors = Col(T.ArrayType(T.FloatType()), "its vector, as it was fitted", required=True)
    recommender = Col(
        _TEXT,
        "which was the best when it was fitted: als, blend, buy_again, popularity, ranked, or one of recommend.models",
        required=True,
    )
    trained_on = Col(
        T.DateType(), "the date as of which it was fitted: as_of of its row in models.registry", required=True
    )
    made_by = Col(_TEXT, "digest of the code and the settings that it was fitted by", required=True)


class Forecasts(Predicted):
    """One row per series, future day and model that was run on the series; one model is the champion.

    On a date on which the models are not fitted again, a series that keeps its champion has the champion's rows only.
    Champions add up (forecast.reconcile): the products of a category and its other_products to the category, categories
    and other_categories to all, stores and other_stores to all. Of other models each row is what the model says alone.
    """

    name = "forecasts"
    key = ("as_of", "series_id", "day", "model")
    checks = (
        Check("units_not_negative", "units", ">=", 0.0),
        Check("profile_known", "profile", "in", ("regular", "intermittent", "short", "dead")),
    )
    series_id = Col(_TEXT, "level and item_id, as in features.daily_sales", required=True)
    level = Col(_TEXT, f"{_LEVELS}; null: written before version 0.2")
    item_id = Col(_TEXT, f"{_ITEMS}; null: written before version 0.2")
    day = Col(T.DateType(), "the day forecast, as_of being the first", required=True)
    model = Col(_TEXT, "the model, an ensemble of models, or a rule", required=True)
    units = Col(_DOUBLE, "point forecast, never negative", unit="units", required=True)
    lower_80 = Col(_DOUBLE, "lower end of the 80% interval", unit="units", required=True)
    upper_80 = Col(_DOUBLE, "upper end of the 80% interval", unit="units", required=True)
    lower_95 = Col(_DOUBLE, "lower end of the 95% interval", unit="units", required=True)
    upper_95 = Col(_DOUBLE, "upper end of the 95% interval", unit="units", required=True)
    champion = Col(
        T.BooleanType(),
        "what the series is forecast by: an ensemble, or what was clearly better in the backtest",
        required=True,
    )
    profile = Col(_TEXT, "what kind of series: regular, intermittent, short, dead", required=True)
    failure = Col(_TEXT, "of a rule's rows: which models failed on the series, and how; null: none did")


class ForecastTotals(Predicted):
    """One row per series: what its champion expects of all days of models.forecasts together, with intervals.

    The ends of days do not add up to those of their sum, as errors of days partly cancel out. Of rare sales this is
    the figure to reorder by.
    """

    name = "forecast_totals"
    key = ("as_of", "series_id")
    checks = (Check("units_not_negative", "units", ">=", 0.0), Check("days_positive", "days", ">", 0))
    series_id = Col(_TEXT, "the series, as in features.daily_sales", required=True)
    level = Col(_TEXT, _LEVELS, required=True)
    item_id = Col(_TEXT, _ITEMS, required=True)
    days = Col(T.IntegerType(), "how many days are summed, as_of being the first", unit="days", required=True)
    model = Col(_TEXT, "the champion", required=True)
    units = Col(_DOUBLE, "sum of the champion's point forecasts", unit="units", required=True)
    lower_80 = Col(_DOUBLE, "lower end of the sum's 80% interval", unit="units", required=True)
    upper_80 = Col(_DOUBLE, "upper end of the sum's 80% interval", unit="units", required=True)
    lower_95 = Col(_DOUBLE, "lower end of the sum's 95% interval", unit="units", required=True)
    upper_95 = Col(_DOUBLE, "upper end of the sum's 95% interval", unit="units", required=True)


class DemandHints(Predicted):
    """One row per item and antecedent: how many more pieces of the item could be wanted, as the antecedent sells more.

    A rule of thumb for who reorders, in no forecast: what the antecedent is forecast to sell beyond the same number of
    days before, by the confidence of the rule antecedent ⇒ item. Only rises, and rules of one item with a lift above
    1. Hints of several antecedents for an item overlap: they do not add up.
    """

    name = "demand_hints"
    key = ("as_of", "level", "item_id", "antecedent")
    checks = (Check("hint_positive", "hint_units", ">", 0.0), Check("basis_known", "basis", "in", ("heuristic",)))
    level = Col(_TEXT, "what items are, as in models.basket_rules: product, subcategory or category", required=True)
    item_id = Col(_TEXT, "what could be wanted more: the rule's consequent", required=True)
    antecedent = Col(_TEXT, "what is forecast to sell more", required=True)
    days = Col(T.IntegerType(), "how many days are forecast, and compared with", unit="days", required=True)
    forecast_units = Col(
        _DOUBLE,
        "of the antecedent, by models.forecasts; of a subcategory the sum of its products there",
        unit="units",
        required=True,
    )
    sold_units = Col(_DOUBLE, "of the same, sold in as many days before as_of", unit="units", required=True)
    confidence = Col(_DOUBLE, "of the rule, as in models.basket_rules", unit="share", required=True)
    hint_units = Col(_DOUBLE, "(forecast_units − sold_units) × confidence", unit="units", required=True)
    basis = Col(_TEXT, "heuristic: nothing of it was fitted or measured", required=True)


class ForecastModels(Predicted):
    """One row per series: the champion that a fit chose, and what its intervals are made of.

    On a date on which the models are not fitted again, a series has its row of the date before; a series that is new,
    has changed its kind, or has no model that works is fitted for itself.
    """

    name = "forecast_models"
    key = ("as_of", "series_id")
    series_id = Col(_TEXT, "the series, as in features.daily_sales", required=True)
    profile = Col(_TEXT, "what kind of series it was: regular, intermittent, short, dead", required=True)
    model = Col(
        _TEXT, "the champion; of a short or dead series a rule, which is made anew on every date", required=True
    )
    error_scale = Col(_DOUBLE, "mean absolute error for each √(units a day forecast + 0.1); null: a rule")
    ends_lower_80 = Col(
        _DOUBLES,
        "lower end of the 80% interval by season ahead, in mean absolute errors off the forecast; null: a rule",
    )
    ends_upper_80 = Col(_DOUBLES, "the same of its upper end")
    ends_lower_95 = Col(_DOUBLES, "the same of the lower end of the 95% interval")
    ends_upper_95 = Col(_DOUBLES, "the same of its upper end")
    ends_of_total = Col(
        _DOUBLES, "the same of the sum of all days: lower and upper end of 80%, lower and upper end of 95%"
    )
    trained_on = Col(
        T.DateType(),
        "the date as of which the champion was chosen: as_of of the row in models.registry, or later, of a series that "
        "was fitted for itself",
        required=True,
    )
    made_by = Col(_TEXT, "digest of the code and the settings that it was chosen by", required=True)


class PooledForecastModels(Predicted):
    """One row per level of series: the one model of all its series, which has a share of their ensembles.

    A date on which the models are not fitted again has the rows of the date before. No row of a level: too little was
    known to learn from.
    """

    name = "pooled_forecast_models"
    key = ("as_of", "level")
    level = Col(_TEXT, "product, category, store or all", required=True)
    text = Col(
        _TEXT,
        "JSON: trees as LightGBM's own text, which days ahead a plan reached, shares by kind of series and day ahead",
        required=True,
    )
    sha256 = Col(_TEXT, "checksum of the text", required=True)
    trained_on = Col(
        T.DateType(), "the date as of which it was fitted: as_of of its row in models.registry", required=True
    )
    made_by = Col(_TEXT, "digest of the code and the settings that it was fitted by", required=True)


class Registry(Predicted):
    """One row per model and version: what a job fitted as of a date, on what, and where it stands.

    A date on which a model is not fitted again has no row of it.
    """

    name = "registry"
    key = ("model", "version")
    partition = ("as_of", "job")
    written_by = "job"
    write_mode = WriteMode.REPLACE_SLICE
    checks = (Check("format_known", "format", "in", ("table", "text", "onnx")),)
    job = Col(_TEXT, "the job that fitted it", required=True)
    model = Col(_TEXT, "what it is a model of: segments, itemsets, recommender, forecasts, …", required=True)
    model_version = Col(
        _TEXT, "which fit of the model it is; the same when the date is run again", required=True, name="version"
    )
    engine = Col(_TEXT, "the method: kmeans, levels, blend, statsforecast, …", required=True)
    champion = Col(
        T.BooleanType(),
        "whether the job uses it from this date on; false: it was compared with the one in use and was no better",
        required=True,
    )
    refit = Col(_TEXT, "when the settings have it fitted again: daily, weekly, when it drifts", required=True)
    reason = Col(_TEXT, "why it was fitted on this date", required=True)
    made_by = Col(_TEXT, "digest of the code and the settings that it was fitted by", required=True)
    trained_from = Col(T.DateType(), "first date of the rows it was fitted on", required=True)
    trained_to = Col(T.DateType(), "last date of these rows", required=True)
    trained_rows = Col(_LONG, "how many rows these are", required=True)
    features = Col(_TEXTS, "what it was fitted on, in its own order", required=True)
    metrics = Col(T.MapType(_TEXT, _DOUBLE), "figures measured when it was fitted, by metric", required=True)
    format = Col(_TEXT, "what its state is: rows of a table, or a file with text or ONNX", required=True)
    state = Col(
        _TEXT, "where its state is: a table, by its rows of as_of, or a file, by its path below the lake", required=True
    )
    sha256 = Col(_TEXT, "checksum of the file, or of the text that the table holds; null: the state is rows of numbers")


class Metrics(Predicted):
    """One row per quality figure that a job measured."""

    name = "metrics"
    key = ("as_of", "job", "metric", "slice")
    partition = ("as_of", "job")
    written_by = "job"
    write_mode = WriteMode.REPLACE_SLICE
    job = Col(_TEXT, "the job that measured", required=True)
    metric = Col(_TEXT, "what: recall@10, mase, silhouette, …", required=True)
    slice = Col(_TEXT, "of what: a model, a baseline, a level; 'all' for the whole", required=True)
    value = Col(_DOUBLE, "the figure; null: not measurable on these data")
    n = Col(_LONG, "how many users, series or rows it rests on", required=True)


MODELS: tuple[type[Table], ...] = (
    Segments,
    ItemsetCounts,
    FrequentItemsets,
    BasketRules,
    Recommendations,
    ItemFactors,
    Forecasts,
    ForecastTotals,
    DemandHints,
    ForecastModels,
    PooledForecastModels,
    Registry,
    Metrics,
)
