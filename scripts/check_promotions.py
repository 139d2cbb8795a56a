"""Recomputes the promises of decisions.promotions outside Spark, from what is stored.

    .venv/bin/python scripts/check_promotions.py [LAKE] [--env NAME] [--conf DIR] [--date YYYY-MM-DD]

LAKE is lake.root of the environment (demo) unless it is given, the date its pipeline.date. --conf as for jobs: the
folder with the settings of your own.

Reads decisions.promotions, decisions.budget, decisions.explored, decisions.withheld, decisions.policy,
features.user_profile, features.product_profile, models.segments, models.risk and the marketers' lists of silver that
are there (promotion_exclusions, promotion_funds, promotion_calendar, channel_consents) with polars, prints each promise
with the rows that break it, and ends with exit code 1 if there are any. It judges by the settings in force: those of
the environment with what the newest version of decisions.policy up to the date says.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from pathlib import Path
from typing import Any

import polars as pl
from deltalake import DeltaTable

from promo_spark.contracts.currencies import digits_of
from promo_spark.contracts.decisions import EXCLUSIONS, WITHDRAWN, Promotions
from promo_spark.contracts.policy import CLOSED, PAUSED
from promo_spark.contracts.schema import MONEY
from promo_spark.decisions import policy as policies
from promo_spark.decisions.mechanics import OFF_BASKETS, ON_BASKETS
from promo_spark.decisions.offers.gifts import most_gift_cost
from promo_spark.decisions.offers.pricing import most_basket_amount
from promo_spark.flows.stream.offers import by_stream
from promo_spark.settings import Settings, load


def broken_promises(lake: Path, date: datetime.date, settings: Settings) -> dict[str, int]:
    """promise → rows, users or constraints that break it."""

    def of_date(table: str, column: str) -> pl.DataFrame:
        return pl.read_delta(str(lake / table)).filter(pl.col(column) == date)

    policy = policy_in_force(lake, date)
    version = policy.label(settings.promote)
    settings = settings.model_copy(update={"promote": policies.settings_in_force(settings.promote, policy)})
    rows = of_date("decisions/promotions", "date")
    budget = of_date("decisions/budget", "date")
    explored = of_date("decisions/explored", "date")
    drawn = explored.filter("chosen")
    withheld = pl.DataFrame(schema={"user_id": pl.String, "promotion_id": pl.String})
    if (lake / "decisions/withheld").exists():  # not where everything was decided before there was such a table
        withheld = of_date("decisions/withheld", "date").select("user_id", "promotion_id")
    customers = of_date("features/user_profile", "as_of")
    users = customers.select("user_id", "consent_marketing")
    linked = pl.DataFrame(schema={"user_id": pl.String, "ring": pl.Int64})
    if (lake / "models/risk").exists():
        linked = of_date("models/risk", "as_of").select("user_id", "ring").drop_nulls()
    if "segment_name" in settings.promote.group_shares:
        named = of_date("models/segments", "as_of").select("user_id", "segment_name")
        customers = customers.join(named, on="user_id", how="left").with_columns(
            pl.col("segment_name").fill_null("unknown")
        )
    profiles = of_date("features/product_profile", "as_of")
    products = profiles.select(
        *("product_id", "department", "promotable", "list_price", "charged_price", "unit_cost", "on_hand")
    )
    of_all_dates = pl.read_delta(str(lake / "decisions/promotions"))
    held = held_offers(of_all_dates, date)
    funds = in_force(listed(lake, "promotion_funds"), date)
    campaigns = in_force(listed(lake, "promotion_calendar"), date)
    offers, none = rows.filter(pl.col("scenario") != "none"), rows.filter(pl.col("scenario") == "none")
    per_user = rows.group_by("user_id").agg(
        pl.len().alias("rows"),
        (pl.col("scenario") == "none").sum().alias("nones"),
        pl.col("rank").max().alias("last"),
        pl.col("rank").n_unique().alias("ranks"),
        pl.col("arm").n_unique().alias("arms"),
        pl.col("mechanic").is_in(ON_BASKETS).sum().alias("on_baskets"),
        pl.col("product_ids").explode().drop_nulls().alias("products"),
    )
    # What a user holds and gets together: the day's offers, and those of earlier dates where the day brings any.
    nothing = pl.lit([], dtype=pl.List(pl.String))
    sets = (
        per_user.filter(pl.col("nones") == 0)
        .join(held, on="user_id", how="left")
        .with_columns(pl.col("held", "held_on_baskets").fill_null(0), pl.col("held_products").fill_null(nothing))
        .with_columns(pl.col("products").list.concat("held_products").alias("all_products"))
    )
    parts = (
        offers.filter(pl.col("product_ids").list.len() > 0)
        .select(
            *("promotion_id", "user_id", "mechanic", "min_spend", "offer_price", "list_price", "charged_price"),
            pl.col("product_ids").alias("product_id"),
        )
        .explode("product_id")
        .join(products, on="product_id", how="left", suffix="_each")
    )
    gifts, priced = parts.filter(pl.col("mechanic") == "gift"), parts.filter(pl.col("mechanic") != "gift")
    stock_is_known = profiles["on_hand"].is_not_null().any()
    sums = priced.group_by("promotion_id", "user_id").agg(
        pl.col("list_price_each").sum().alias("listed"),
        pl.col("charged_price_each").sum().alias("charged"),
        pl.col("unit_cost").sum().alias("cost"),
        pl.col("offer_price").first(),
        pl.col("list_price").first(),
        pl.col("charged_price").first(),
    )
    amounts = [name for name, column in Promotions.columns().items() if column.type == MONEY]
    digits = digits_of(settings.business.currency)
    least = 1 - pl.lit(settings.promote.min_margin).cast(pl.Decimal(9, 6))
    by_list = {"fund": ("fund_id", "fund_cost"), "campaign": ("campaign_id", "expected_cost")}
    spent = {"daily": sum(offers["expected_cost"])} | sums_of(offers, "mechanic", "mechanic", "expected_cost")
    spent |= sums_of(offers, "face", "mechanic", "coupon_amount")
    spent |= sums_of_departments(offers, products)
    groups = groups_of_users(customers, settings)
    for of_users in groups.values():
        spent |= sums_of(offers.join(of_users, on="user_id"), "group", "group", "expected_cost")
    sold = units_of(offers)
    spent |= {f"stock:{product}": up_to(units, 2) for product, units in sold.items()}
    stock = stock_left(products, holding_offers(of_all_dates, date), settings.promote.stock_share)
    made_before = of_all_dates.filter((pl.col("date") < date) & pl.col("status").ne_missing("proposed"))
    earlier: dict[str, Decimal] = {}
    for kind, (column, amount) in by_list.items():
        spent |= sums_of(offers, kind, column, amount)
        earlier |= sums_of(made_before, kind, column, amount)
    planned = {f"mechanic:{m}": Decimal(str(b)) for m, b in settings.promote.mechanic_budgets.items()}
    planned |= {f"face:{m}": Decimal(str(b)) for m, b in settings.promote.face_budgets.items()}
    planned |= {f"department:{d}": Decimal(str(b)) for d, b in settings.promote.department_budgets.items()}
    planned["daily"] = Decimal(str(settings.promote.daily_budget))
    planned = {name: most.quantize(Decimal(10) ** -digits, ROUND_DOWN) for name, most in planned.items()}
    excluded = rows.filter(pl.col("reason_codes").list.set_intersection(list(EXCLUSIONS)).list.len() > 0)
    for attribute, of_users in groups.items():
        may_get = of_users.join(excluded, on="user_id", how="anti")
        factor = Decimal(str(settings.promote.group_shares[attribute]))
        for group, count in may_get.group_by("group").len().iter_rows():
            most = (factor * count * planned["daily"] / may_get.height).quantize(Decimal(10) ** -digits, ROUND_DOWN)
            planned |= {f"group:{group}": most} if most < planned["daily"] else {}
    stock_rows = set(budget.filter(pl.col("unit") == "pieces")["constraint"])
    planned |= {f"stock:{p}": left for p, left in stock.items() if f"stock:{p}" in stock_rows}
    for kind, rows_of_list in (("fund", funds), ("campaign", campaigns)):
        budgets = {f"{kind}:{row[f'{kind}_id']}": row["budget"] for row in rows_of_list if row["budget"] is not None}
        left = {name: max(most - earlier.get(name, Decimal(0)), Decimal(0)) for name, most in budgets.items()}
        planned |= {name: most.quantize(Decimal(10) ** -digits, ROUND_DOWN) for name, most in left.items()}
    may = pl.col("consent_marketing").fill_null(settings.promote.unknown_consent == "eligible")
    # Who may not be profiled stands in no profile, and gets one `none` that says so.
    unprofiled = none.filter(pl.col("reason_codes").list.contains("not_profiled"))["user_id"].implode()
    # Who is new on the date has no profile of it either: stream decided.
    runs, of_budget = set(rows["run_id"]), set(budget["run_id"])
    within_the_day = {run for run in runs if by_stream(run)}
    new = rows.filter(pl.col("run_id").is_in(list(within_the_day)))["user_id"].implode()
    refused = users.filter(~may)["user_id"].implode()
    return {
        "every user of the day has exactly one decision set": users.join(per_user, on="user_id", how="anti").height
        + per_user.join(users, on="user_id", how="anti")
        .filter(~(pl.col("user_id").is_in(unprofiled) | pl.col("user_id").is_in(new)))
        .height
        + per_user.filter((pl.col("nones") > 0) & (pl.col("rows") > 1)).height,
        "ranks count from 1 without a gap": per_user.filter(
            (pl.col("last") != pl.col("rows")) | (pl.col("ranks") != pl.col("rows"))
        ).height,
        "nobody gets more offers than the cap, those that still hold included": sets.filter(
            pl.col("rows") + pl.col("held") > settings.promote.max_offers_per_user
        ).height,
        "linked accounts get no more offers than promote.max_offers_per_ring together, held ones included": linked.join(
            offers.group_by("user_id").len(), on="user_id", how="left"
        )
        .join(held, on="user_id", how="left")
        .group_by("ring")
        .agg(pl.col("len", "held").fill_null(0).sum())
        .filter((pl.col("len") > 0) & (pl.col("len") + pl.col("held") > settings.promote.max_offers_per_ring))
        .height,
        "no offer that still holds is made again": sets.filter(
            pl.col("all_products").list.len() != pl.col("all_products").list.n_unique()
        ).height,
        "an offer on a basket stands alone, so that a user's offers keep the floor together": sets.filter(
            ((pl.col("on_baskets") > 0) & (pl.col("rows") + pl.col("held") > 1)) | (pl.col("held_on_baskets") > 0)
        ).height,
        "no amount off a basket is more than its share of the budget": sum(
            offers.filter((pl.col("mechanic") == mechanic) & (pl.col("coupon_amount") > most)).height
            for mechanic, most in {m: most_basket_amount(settings.promote, m, digits) for m in OFF_BASKETS}.items()
        ),
        "every coupon has a code of its own, and nothing else has": offers.filter(
            (pl.col("mechanic") == "coupon") == pl.col("coupon_code").is_null()
        ).height
        + offers["coupon_code"].drop_nulls().is_duplicated().sum(),
        "amounts have the digits of the currency": sum(
            rows.filter(pl.col(name) != pl.col(name).round(digits)).height for name in amounts
        ),
        "no product is offered that marketers keep out": parts.filter(
            pl.col("product_id").is_in(kept_out(lake, profiles, date, settings.promote.valid_days))
        ).height,
        "keys are unique": rows.height - rows.select(Promotions.key).n_unique(),
        "no budget is exceeded by a cent": budget.filter(pl.col("reserved") > pl.col("planned")).height,
        "promotions are of one run and batches of stream, and the budget is of the last": int(
            len(of_budget) != 1 or not of_budget <= runs or len(runs - within_the_day) != 1
        ),
        "each budget row is the sum of its offers": sum(
            spent.get(r["constraint"], 0) != r["reserved"] for r in budget.to_dicts()
        ),
        "offers that hold sell no more of a product than its stock allows": sum(
            units > stock.get(product, units) for product, units in sold.items()
        ),
        "only a product's stock is in pieces": budget.filter(
            (pl.col("unit") == "pieces") != pl.col("constraint").str.starts_with("stock:")
        ).height,
        "planned is what the settings plan, and what earlier dates left of funds, campaigns and stock": sum(
            r["planned"] != planned.get(r["constraint"]) for r in budget.to_dicts()
        )
        + len(planned.keys() - set(budget["constraint"])),
        "an offer on products says how many pieces of each it is expected to sell": offers.filter(
            (pl.col("product_ids").list.len() != pl.col("expected_units").list.len().fill_null(0))
            | (pl.col("expected_units").list.min() < 0)
        ).height,
        "a fund pays for what it names, as long as it is in force": outside(offers, "fund_id", funds, profiles),
        "a fund pays its share of what is given, to the minor unit": sum(
            abs(of["fund_cost"] - share * (of["fund_cost"] + of["expected_cost"])) > Decimal(10) ** -digits
            for share in {row["cost_share"] for row in funds}
            for of in offers.filter(
                pl.col("fund_id").is_in([row["fund_id"] for row in funds if row["cost_share"] == share])
            ).to_dicts()
        ),
        "a campaign has offers of its days, scenario and products only": outside(
            offers, "campaign_id", campaigns, profiles
        ),
        "list price is that of the products together": sums.filter(pl.col("listed") != pl.col("list_price")).height,
        "charged price is that of the products together, at most list": sums.filter(
            (pl.col("charged") != pl.col("charged_price")) | (pl.col("charged_price") > pl.col("list_price"))
        ).height,
        "every price is below what is charged now": sums.filter(
            (pl.col("offer_price") >= pl.col("charged_price")).fill_null(True)
        ).height,
        "no price below the margin floor": sums.filter(pl.col("offer_price") * least < pl.col("cost")).height,
        "only promotable products": parts.filter(~pl.col("promotable").fill_null(False)).height,
        "a gift is one product with an order of a minimum spend, and takes nothing off": offers.filter(
            (pl.col("mechanic") == "gift")
            & (
                (pl.col("product_ids").list.len() != 1)
                | ~(pl.col("min_spend") > 0).fill_null(False)
                | pl.any_horizontal(pl.col("discount_rate", "coupon_amount", "offer_price").is_not_null())
            )
        ).height,
        "a gift is in stock": gifts.filter(~(pl.col("on_hand") > 0).fill_null(not stock_is_known)).height,
        "no gift costs more than promote.gift_max_cost and its share of the budget": gifts.filter(
            ~(pl.col("unit_cost") <= most_gift_cost(settings.promote, "gift", digits)).fill_null(False)
        ).height,
        "it was decided by the policy in force": rows.filter(pl.col("policy_version") != version).height,
        "what the policy in force pauses is given to explored users only, and what it closes to nobody": sum(
            max(policy.pause(f"mechanic:{mechanic}"), policy.pause(f"scenario:{scenario}"))
            >= (CLOSED if arm == "explore" else PAUSED)
            for mechanic, scenario, arm in offers.select("mechanic", "scenario", "arm").iter_rows()
        ),
        "no offer on products is deeper than its scenario may be": sum(
            offers.filter((pl.col("scenario") == scenario) & (pl.col("discount_rate") > Decimal(str(greatest)))).height
            for scenario, (_, greatest) in settings.promote.depth.items()
        ),
        "nobody in the holdout gets an offer": offers.filter(pl.col("arm") == "holdout").height,
        "a user is in one arm": per_user.filter(pl.col("arms") != 1).height,
        "nobody gets an offer by a channel that they refused": refused_channels(lake, offers),
        "nobody without consent gets an offer": offers.filter(pl.col("user_id").is_in(refused)).height,
        "but for the explore arm an offer brings promote.least_gain": offers.filter(
            (pl.col("arm") != "explore") & (pl.col("objective_value") < settings.promote.least_gain - 0.5 / 10**digits)
        ).height,
        "but for the explore arm and clearance no offer loses margin": offers.filter(
            (pl.col("arm") != "explore") & (pl.col("objective") != "clearance") & (pl.col("incremental_margin") < 0)
        ).height,
        "profit is the incremental margin": offers.filter(
            (pl.col("objective") == "profit") & (pl.col("objective_value") != pl.col("incremental_margin"))
        ).height,
        "what was drawn is what is offered, with the probability that is written down": drawn.join(
            rows, on=["user_id", "promotion_id", "action_propensity"], how="anti"
        ).height
        + rows.filter((pl.col("arm") == "explore") & ~pl.col("reason_codes").list.contains("exploring"))
        .join(drawn, on=["user_id", "promotion_id"], how="anti")
        .height,
        "an explored user could draw none, one time in four, and every offer, each as likely": explored.with_columns(
            none=pl.col("scenario") == "none", p=pl.col("action_propensity").cast(pl.Float64)
        )
        .with_columns(nones=pl.col("none").sum().over("user_id"), offers=(~pl.col("none")).sum().over("user_id"))
        .filter(
            (pl.col("nones") != 1)
            | (pl.col("offers") == 0)
            | (pl.when(pl.col("none")).then(0.25).otherwise(0.75 / pl.col("offers")) - pl.col("p")).abs().gt(1e-6)
        )["user_id"]
        .n_unique(),
        "what would be given to the holdout is of the holdout, as much as a user may have, and given to nobody": (
            withheld.join(none.filter(pl.col("arm") == "holdout"), on="user_id", how="anti").height
            + withheld.join(offers, on="promotion_id", how="semi").height
            + withheld.group_by("user_id").len().filter(pl.col("len") > settings.promote.max_offers_per_user).height
        ),
        "an offer has a status, and none has none": rows.filter(
            (pl.col("scenario") == "none") == pl.col("status").is_not_null()
        ).height,
        "what a user holds who withdrew is revoked": rows.filter(
            pl.col("reason_codes").list.set_intersection(list(WITHDRAWN)).list.len() == 0
        )["revokes"]
        .drop_nulls()
        .len()
        + held.filter(pl.col("user_id").is_in(refused))
        .join(rows.filter(pl.col("revokes").list.len() > 0), on="user_id", how="anti")
        .height,
        "every row has a reason": rows.filter(pl.col("reason_codes").list.len() == 0).height,
        "offers have text and dates in order": offers.filter(
            (pl.col("text") == "") | (pl.col("valid_from") < date) | (pl.col("valid_to") < pl.col("valid_from"))
        ).height,
        "none costs nothing": none.filter((pl.col("expected_cost") != 0) | (pl.col("mechanic") != "none")).height,
    }


def policy_in_force(lake: Path, date: datetime.date) -> policies.InForce:
    """The newest version of decisions.policy up to the date; none where there is no such table."""
    table = lake / "decisions/policy"
    if not table.exists():
        return policies.AS_SET
    return policies.in_force(pl.read_delta(str(table)).filter(pl.col("valid_from") <= date).to_dicts())


def listed(lake: Path, name: str) -> list[dict[str, Any]]:
    """The rows of a marketers' list; none where there is no such list."""
    table = lake / "silver" / name
    return pl.read_delta(str(table)).to_dicts() if table.exists() else []


def in_force(rows: list[dict[str, Any]], date: datetime.date) -> list[dict[str, Any]]:
    return [row for row in rows if (row["start_date"] or date) <= date <= (row["end_date"] or date)]


def sums_of(offers: pl.DataFrame, kind: str, column: str, amount: str) -> dict[str, Decimal]:
    """What offers reserve by the constraint of a kind that they fall under."""
    groups = offers.filter(pl.col(column).is_not_null()).group_by(column).agg(pl.col(amount).sum())
    return {f"{kind}:{name}": total for name, total in groups.iter_rows()}


def sums_of_departments(offers: pl.DataFrame, products: pl.DataFrame) -> dict[str, Decimal]:
    """What offers reserve by department: a bundle of two departments its whole cost of each."""
    per_offer = (
        offers.select("user_id", "promotion_id", "expected_cost", pl.col("product_ids").alias("product_id"))
        .filter(pl.col("product_id").list.len() > 0)
        .explode("product_id")
        .join(products.select("product_id", "department"), on="product_id")
        .unique(["user_id", "promotion_id", "department"])
    )
    return sums_of(per_offer, "department", "department", "expected_cost")


def groups_of_users(customers: pl.DataFrame, settings: Settings) -> dict[str, pl.DataFrame]:
    """By attribute with limits: one row per user with its group, as decisions.budget names it."""
    return {
        attribute: customers.select(
            "user_id", (pl.lit(f"{attribute}=") + pl.col(attribute).fill_null("unknown")).alias("group")
        )
        for attribute in settings.promote.group_shares
    }


def units_of(offers: pl.DataFrame) -> dict[str, Decimal]:
    """The pieces of each product that offers are expected to sell."""
    each = offers.filter(pl.col("expected_units").is_not_null()).explode("product_ids", "expected_units")
    groups = each.group_by("product_ids").agg(pl.col("expected_units").sum())
    return {product: units for product, units in groups.iter_rows() if product is not None}


def stock_left(products: pl.DataFrame, holding: pl.DataFrame, share: float) -> dict[str, Decimal]:
    """What the date's offers may sell of each product of which the stock is known and bounds them."""
    if not share:
        return {}
    reserved, of_hand = units_of(holding), Decimal(str(share))
    known = products.filter(pl.col("on_hand").is_not_null()).select("product_id", "on_hand")
    left = {product: pieces * of_hand - reserved.get(product, Decimal(0)) for product, pieces in known.iter_rows()}
    return {product: max(most, Decimal(0)).quantize(Decimal("0.01"), ROUND_DOWN) for product, most in left.items()}


def up_to(amount: Decimal, digits: int) -> Decimal:
    return amount.quantize(Decimal(10) ** -digits, ROUND_UP)


def outside(offers: pl.DataFrame, column: str, rows: list[dict[str, Any]], profiles: pl.DataFrame) -> int:
    """The offers that stand under a fund or a campaign and do not belong to it."""
    under, wrong = offers.filter(pl.col(column).is_not_null()), 0
    known = {row[column]: row for row in rows}
    for name, own in under.partition_by(column, as_dict=True).items():
        row = known.get(name[0])
        if row is None:
            wrong += own.height
            continue
        belongs = pl.lit(True)
        if row["level"] is not None:
            products = named_products(profiles, row["level"], row["value"])
            named = pl.col("product_ids").list.eval(pl.element().is_in(products)).list.all()
            belongs = named & (pl.col("product_ids").list.len() > 0)
        if column == "fund_id" and row["end_date"] is not None:
            belongs = belongs & (pl.col("valid_to") <= row["end_date"])
        if row.get("scenario") is not None:
            belongs = belongs & (pl.col("scenario") == row["scenario"])
        wrong += own.filter(~belongs).height
    return wrong


def kept_out(lake: Path, profiles: pl.DataFrame, date: datetime.date, days: int) -> list[str]:
    """The products that the marketers' list names on a day on which offers of the date hold."""
    listed = lake / "silver/promotion_exclusions"
    if not listed.exists():
        return []
    last, found = date + datetime.timedelta(days=days - 1), set()
    for row in pl.read_delta(str(listed)).iter_rows(named=True):
        if (row["start_date"] or date) <= last and (row["end_date"] or date) >= date:
            found |= set(named_products(profiles, row["level"], row["value"]))
    return sorted(found)


def named_products(profiles: pl.DataFrame, level: str, value: str) -> list[str]:
    """The products that a row of a marketers' list names; a tag in whatever case and spaces."""
    if level == "tag":
        has_it = pl.col("tags").list.contains(" ".join(value.lower().split()))
    else:
        has_it = pl.col("product_id" if level == "product" else level) == value
    return profiles.filter(has_it)["product_id"].to_list()


def refused_channels(lake: Path, offers: pl.DataFrame) -> int:
    """How many offers go by a channel of which silver.channel_consents says no."""
    refused = {(row["user_id"], row["channel"]) for row in listed(lake, "channel_consents") if not row["consent"]}
    return sum((of["user_id"], of["channel"]) in refused for of in offers.to_dicts())


def holding_offers(promotions: pl.DataFrame, date: datetime.date) -> pl.DataFrame:
    """The offers of earlier dates that hold on the date."""
    earlier = promotions.filter(pl.col("date") < date)
    revoked = earlier["revokes"].drop_nulls().explode().drop_nulls().implode()
    return earlier.filter(
        (pl.col("valid_to") >= date)
        & (pl.col("scenario") != "none")
        & pl.col("status").ne_missing("proposed")
        & (pl.col("stopped_on") > date).fill_null(True)
        & ~pl.col("promotion_id").is_in(revoked)
    )


def held_offers(promotions: pl.DataFrame, date: datetime.date) -> pl.DataFrame:
    """One row per user with offers of earlier dates that hold on the date; one that was made twice counts once."""
    holding = holding_offers(promotions, date).with_columns(
        pl.col("product_ids").list.sort().list.join("\n").alias("what")
    )
    return holding.group_by("user_id").agg(
        pl.col("what").n_unique().alias("held"),
        pl.col("mechanic").is_in(ON_BASKETS).sum().alias("held_on_baskets"),
        pl.col("product_ids").explode().drop_nulls().unique().alias("held_products"),
    )


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("lake", nargs="?", type=Path)
    options.add_argument("--env", default="demo")
    options.add_argument("--conf", help="folder with settings of your own")
    options.add_argument("--date", type=datetime.date.fromisoformat)
    chosen = options.parse_args()
    settings = load(chosen.env, conf=chosen.conf)
    lake = chosen.lake or Path(settings.lake.root)
    if chosen.date is None and not settings.pipeline.date:
        options.error(f"--date is missing: the settings of {chosen.env} name none")
    date = chosen.date or datetime.date.fromisoformat(settings.pipeline.date)
    table = lake / "decisions" / "promotions"
    if not DeltaTable.is_deltatable(str(table)) or pl.read_delta(str(table)).filter(pl.col("date") == date).is_empty():
        options.error(
            f"{lake} holds no promotions for {date}: nothing can be checked. Folder and date are those of the settings "
            f"of {chosen.env}; --env, --date and the folder as an argument name others"
        )
    print(f"decisions.promotions of {date} in {lake}, with the settings of {chosen.env}")
    broken = broken_promises(lake, date, settings)
    for promise, n in broken.items():
        print(f"{'ok    ' if n == 0 else f'{n:6}'}  {promise}")
    return 1 if any(broken.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
