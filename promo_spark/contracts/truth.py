"""What is true of a synthetic retailer: beside its raw files, for tests and benchmarks only.

No job that works on a retailer's data reads these tables: what a model finds is compared with them, never made
from them. `simulate` reads them, as it plays the users.
"""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Personal, Table, WriteMode

_TEXT = T.StringType()
_DATE = T.DateType()
_NUMBER = T.DoubleType()
_NUMBERS = T.ArrayType(T.DoubleType())
_WHOLE = T.LongType()


class Truth(Table):
    """Base of the truth tables."""

    layer = "truth"
    write_mode = WriteMode.OVERWRITE
    trailing = ("run_id",)
    run_id = Col(_TEXT, "the run that wrote the row; null: written before version 0.2")


class Worlds(Truth):
    """One row per world: the parameters from which every draw of the world follows, and where its raw files lie."""

    name = "worlds"
    key = ("start",)
    start = Col(_DATE, "first day of the history", required=True)
    spec = Col(_TEXT, "all parameters as JSON", required=True)
    folder = Col(_TEXT, "where its raw files lie, as generate.folder named it", required=True)
    format = Col(_TEXT, "of its raw files: parquet, csv or json", required=True)


class TrueUsers(Truth):
    """One row per user: planted segment, habits, tastes, and how offers work on the user."""

    name = "users"
    key = ("user_id",)
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    segment = Col(_TEXT, "planted segment", required=True)
    response = Col(_TEXT, "persuadable, sure_thing, lost_cause or sleeping_dog (harmed by offers)", required=True)
    joined = Col(_DATE, "day the account was opened", required=True)
    churned = Col(_DATE, "first day without shopping; null: not before the world ends")
    price_sensitivity = Col(_NUMBER, "factor on the elasticity of products", required=True)
    visits_per_week = Col(_NUMBER, "expected visits of a usual week", required=True)
    items_per_visit = Col(_NUMBER, "mean items bought at a visit by taste, usual demand", required=True)
    tastes = Col(_NUMBERS, "weight of each latent topic; sums to 1", required=True)
    staples = Col(
        T.ArrayType(
            T.StructType(
                [
                    T.StructField("product_id", _TEXT),
                    T.StructField("cadence_days", _NUMBER),
                ]
            )
        ),
        "products bought again and again, and how often",
        required=True,
    )
    fraud = Col(_TEXT, "ring or fake_orders; null: an honest user")
    ring = Col(_WHOLE, "which ring; null: in none")


class TrueProducts(Truth):
    """One row per product: what drives its demand."""

    name = "products"
    key = ("product_id",)
    product_id = Col(_TEXT, "the product", required=True)
    topic_weights = Col(
        _NUMBERS,
        "chance that a wanted item of each topic is the product; with tastes, the chance for a user",
        required=True,
    )
    elasticity = Col(_NUMBER, "of demand to its price, for a shopper of price sensitivity 1; positive", required=True)
    start_price = Col(_NUMBER, "price that demand is usual at", unit="currency", required=True)
    cadence_days = Col(_NUMBER, "between purchases of it as a staple; 0: nobody's staple", required=True)
    cannibalisation = Col(
        _NUMBER, "log of the demand lost when every rival of the subcategory is reduced", required=True
    )
    launched = Col(_DATE, "first day on sale; null: before the history")
    dies = Col(_DATE, "first day off sale; null: stays")
    intermittent = Col(T.BooleanType(), "demanded in three weeks of ten only", required=True)


class TrueRules(Truth):
    """One row per planted bundle of subcategories."""

    name = "rules"
    key = ("antecedent", "consequent")
    antecedent = Col(_TEXT, "subcategory that draws the other into the basket", required=True)
    consequent = Col(_TEXT, "subcategory that is drawn", required=True)
    chance = Col(_NUMBER, "with which a basket with the one gets the other because of it", required=True)
    confidence = Col(_NUMBER, "expected share of baskets with the one that hold the other", required=True)
    lift = Col(_NUMBER, "confidence over the expected share of all baskets with the other", required=True)


class TrueElasticities(Truth):
    """One row per category and segment: demand goes with price to the power −elasticity."""

    name = "elasticities"
    key = ("category", "segment")
    category = Col(_TEXT, "the category", required=True)
    segment = Col(_TEXT, "planted segment", required=True)
    elasticity = Col(_NUMBER, "positive", required=True)


class TrueOffers(Truth):
    """One row per user and offer: what the offer changes in the seven days from its date.

    Expected values of the world's model, not draws; the offer is the user's only one. `generate` tells them for the
    users of the first block: every mechanic at three savings, off the user's favourite product or off a basket of the
    user's usual size. `worlds.frames.true_offers` tells them of any offers.
    """

    name = "offers"
    key = ("user_id", "promotion_id")
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    promotion_id = Col(_TEXT, "the offer", required=True)
    mechanic = Col(_TEXT, "how it is given", required=True)
    saving = Col(_NUMBER, "as a share of the price or basket that it applies to", "share", required=True)
    product_ids = Col(T.ArrayType(_TEXT), "products it takes off, or the gift; empty: off a basket", required=True)
    min_spend = Col(_NUMBER, "amount to spend before it counts; 0: none", "currency", required=True)
    visits_without = Col(_NUMBER, "expected visits without the offer", required=True)
    visits = Col(_NUMBER, "expected visits with it", required=True)
    units_without = Col(_NUMBER, "expected pieces of its products bought without it", "pieces", required=True)
    units = Col(_NUMBER, "expected pieces of its products bought with it", "pieces", required=True)
    uses = Col(_NUMBER, "expected orders that it gives something to", required=True)
    given = Col(
        _NUMBER,
        "expected amount given: off the receipt, the gift's cost, points spent later",
        "currency",
        required=True,
    )
    margin = Col(
        _NUMBER, "expected margin with the offer, after what is given, less without it", "currency", required=True
    )


class TrueNextPurchases(Truth):
    """One row per user and staple: the true chance that it is bought in the 28 days from the date."""

    name = "next_purchases"
    key = ("user_id", "product_id")
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    product_id = Col(_TEXT, "the staple", required=True)
    due = Col(_DATE, "day from which it is needed again", required=True)
    chance = Col(_NUMBER, "that some visit of the 28 days buys it, offers and bundles aside", required=True)


class TrueDemand(Truth):
    """One row per product, segment and day with demand: what was wanted at the price of the day, and what was lost.

    Wanted at another price = wanted × (other price / price)^−elasticity, in expectation.
    """

    name = "demand"
    key = ("product_id", "segment", "day")
    product_id = Col(_TEXT, "the product", required=True)
    segment = Col(_TEXT, "planted segment", required=True)
    day = Col(_DATE, "the day", required=True)
    price = Col(_NUMBER, "price of the day after promotion", unit="currency", required=True)
    units_wanted = Col(_WHOLE, "sold and lost together; without returns and fake orders", "pieces", required=True)
    units_lost = Col(_WHOLE, "wanted, but out of stock", unit="pieces", required=True)


class DirtyRows(Truth):
    """One row per order line that was made dirty, and what ingestion has to make of it."""

    name = "dirty_rows"
    key = ("order_id", "line_no", "kind")
    order_id = Col(_TEXT, "the order", required=True)
    line_no = Col(T.IntegerType(), "the line", required=True)
    kind = Col(_TEXT, "what was done to it", required=True)
    reason = Col(_TEXT, "check that has to reject it; null: the row is to be accepted")


class SimulatedStates(Truth):
    """One row per date and user: where the user's staples stand when the date begins, and which coupons are spent."""

    name = "simulated_states"
    key = ("date", "user_id")
    partition = ("date",)
    dated_by = "date"
    days_ahead = 1
    write_mode = WriteMode.REPLACE_DATE
    date = Col(_DATE, "the day that begins", required=True)
    world = Col(_TEXT, "digest of the world's parameters", required=True)
    block = Col(_WHOLE, "block of users that is drawn together", required=True)
    user_number = Col(_WHOLE, "the user's row in the block", required=True)
    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    due = Col(T.ArrayType(T.FloatType()), "day of the world from which each staple is due", required=True)
    habit = Col(_NUMBER, "log of the factor on visits that earlier offers left behind", required=True)
    strain = Col(_NUMBER, "what offers added to the hazards of leaving; 1e9 or more: has left", required=True)
    used = Col(
        T.ArrayType(_TEXT),
        "offers good for one order, welcome coupons too, that the user has used",
        required=True,
    )


# What `generate` writes about the history that it makes.
OF_HISTORY: tuple[type[Truth], ...] = (
    TrueUsers,
    TrueProducts,
    TrueRules,
    TrueElasticities,
    TrueOffers,
    TrueNextPurchases,
    TrueDemand,
    DirtyRows,
)

TRUTH: tuple[type[Table], ...] = (Worlds, *OF_HISTORY, SimulatedStates)
