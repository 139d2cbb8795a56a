"""What ranks on a date: every user's history, what is learnt from, and what all recommenders make of these."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from promo_spark.contracts.features import ProductProfile, UserProfile
from promo_spark.contracts.models import BasketRules
from promo_spark.contracts.predictions import UserHistory
from promo_spark.contracts.silver import Campaigns, Contacts, OrderLines, PromoCalendar, Redemptions, Users
from promo_spark.features.labels.batches import Batch, Catalogue, batch_of
from promo_spark.features.labels.pairs import kinds_of_pairs
from promo_spark.features.labels.user_histories import user_histories
from promo_spark.features.products.planned import Planned, planned_periods
from promo_spark.flows.propensity.examples import Sample
from promo_spark.flows.propensity.inputs import catalogue_of
from promo_spark.flows.recommend.first_stage import Known, first_stage_models
from promo_spark.flows.recommend.pairs import RANKING, AsOf, Shelf, places_among
from promo_spark.flows.recommend.ranking import Learning
from promo_spark.flows.representation import groups_of_users
from promo_spark.learners.samples import hashed_sample
from promo_spark.learners.tables import FeatureTable
from promo_spark.models.propensity.fitting import FittedQuestion
from promo_spark.models.propensity.questions import ITEM_DAYS
from promo_spark.models.recommenders.candidates import ListedItems, RankedItems
from promo_spark.models.recommenders.first_stage.content import ItemContent, ItemFeatures
from promo_spark.models.recommenders.first_stage.interface import Entries, FirstStage, best_entries
from promo_spark.models.recommenders.first_stage.rules import RuledProducts, Rules
from promo_spark.models.recommenders.item_model import NO_ITEM
from promo_spark.models.recommenders.strengths import CatalogueItem
from promo_spark.runtime.job import Context
from promo_spark.settings.recommend import RecommendSettings

_EPOCH = datetime.date(1970, 1, 1)
_ATTRIBUTES = (
    ProductProfile.department,
    ProductProfile.category,
    ProductProfile.subcategory,
    ProductProfile.brand,
    ProductProfile.price_tier,
)
SECOND_STAGE = "ranked"
Ctx = Context[RecommendSettings]


@dataclass(frozen=True)
class Stage:
    """What ranks on a date: every user's history with the main store, and what is learnt from."""

    histories: DataFrame
    learning: Learning
    known: Known

    def first_stage(self, as_of: datetime.date, names: Sequence[str]) -> dict[str, FirstStage]:
        """The recommenders as of a date, by name; those that have too little history before it are left out."""
        return first_stage_models(self.learning, self.known, (as_of - _EPOCH).days, names)

    def ranked(
        self,
        answer: FittedQuestion | None,
        models: Mapping[str, FirstStage],
        as_of: datetime.date,
        users: DataFrame,
        items: DataFrame,
    ) -> DataFrame:
        """One row per user with a history: the best items. UserHistory, users, CatalogueItem → RankedItems.

        Of each recommender as many as are enough, should all of the user's own be banned. `answer` is the second stage.
        """
        settings, stores = self.learning.settings, self.known.stores
        day = (as_of - _EPOCH).days
        of_day, catalogue = self.learning.as_of(day), self.learning.shelf.catalogue
        position = _positions(catalogue.product_ids, items)
        most_own, most_new = settings.ranking.own_products, settings.top_n

        def of_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for rows in batches:
                batch = batch_of(rows, catalogue)
                found: dict[str, Entries] = {}
                if models:
                    users_of = of_day.user_items(batch, places_among(rows.column(UserProfile.main_store_id), stores))
                    for name, model in models.items():
                        found[name] = best_entries(
                            model, users_of, most_own=most_own, most_new=most_new, allowed=position >= 0
                        )
                if answer is not None:
                    found[SECOND_STAGE] = _likeliest(answer, of_day, batch, position, most_own + most_new)
                yield _ranked_rows(batch.user_ids, found, position)

        of_users = self.histories.join(users.select(UserHistory.user_id), UserHistory.user_id, "left_semi")
        columns = (*UserHistory.columns(), UserProfile.main_store_id)
        return of_users.select(*columns).mapInArrow(of_batches, RankedItems.schema())


def stage_of_date(ctx: Ctx) -> Stage:
    """As many days of history as the earliest training date looks back."""
    settings, ranking = ctx.settings, ctx.settings.ranking
    training = max(ITEM_DAYS, settings.holdout_days) + ITEM_DAYS + ranking.training_every_days * ranking.training_dates
    histories = user_histories(
        ctx.read(OrderLines),
        users=ctx.read_optional(Users),
        campaigns=Campaigns.frame(ctx.spark),
        contacts=Contacts.frame(ctx.spark),
        redemptions=Redemptions.frame(ctx.spark),
        as_of=ctx.date,
        days=max(settings.history_days, ranking.lookback_days) + training,
        timezone=ctx.business.timezone,
    )
    main_stores = ctx.read(UserProfile).select(UserProfile.user_id, UserProfile.main_store_id)
    kept = ctx.keep(histories.join(main_stores, UserHistory.user_id, "left"))
    products = ctx.read(ProductProfile)
    catalogue = catalogue_of(products)
    promotable = {
        row[0] for row in products.filter(ProductProfile.promotable).select(ProductProfile.product_id).collect()
    }
    periods = planned_periods(
        ctx.read_optional(PromoCalendar),
        since=ctx.date - datetime.timedelta(training + ITEM_DAYS),
        until=ctx.date + datetime.timedelta(ITEM_DAYS),
    )
    shelf = Shelf(
        catalogue,
        np.array([product in promotable for product in catalogue.product_ids], bool),
        Planned.of(periods, catalogue),
    )
    drawn = hashed_sample(kept, UserHistory.user_id, at_most=ranking.sample_users, seed=settings.seed)
    rows = drawn.toArrow().sort_by(UserHistory.user_id)
    batch = batch_of(rows, catalogue)
    sample = Sample.of(batch, (ctx.date - _EPOCH).days, settings.seed)
    if ranking.represented and ctx.exists(Users):
        sample = replace(sample, groups=groups_of_users(drawn, ctx.read_optional(Users), ranking.represented))
    return Stage(
        kept, Learning(sample, shelf, settings), _known(ctx, catalogue, rows.column(UserProfile.main_store_id))
    )


def _known(ctx: Ctx, catalogue: Catalogue, stores: pa.ChunkedArray) -> Known:
    """What the chosen recommenders ask for beside purchases; what none of them asks for is empty."""
    items = [ItemContent({}) for _ in catalogue.product_ids]
    if "content" in ctx.settings.models:
        rows = ctx.read(ProductProfile).select(ProductProfile.product_id, ProductProfile.title, *_ATTRIBUTES).collect()
        of_product = {
            row[0]: ItemContent({a: str(row[a]) for a in _ATTRIBUTES if row[a] is not None}, row[1]) for row in rows
        }
        items = [of_product[product] for product in catalogue.product_ids]
    rules = Rules.of([], [], np.zeros(0, np.float32), RuledProducts.themselves(len(items)))
    if "rules" in ctx.settings.models:
        rules = _rules(ctx.read_optional(BasketRules), ctx.read(ProductProfile), catalogue)
    of_sample = stores.combine_chunks()
    return Known(ItemFeatures.of(items), rules, of_sample.unique().drop_null(), of_sample)


def _rules(rows: DataFrame, products: DataFrame, catalogue: Catalogue) -> Rules:
    """Rules of one item that follows. BasketRules, ProductProfile → arrays on the driver, as large as the catalogue.

    The finest level that there are rules of counts. Of a subcategory or category those products are shown first that
    most users bought ever.
    """
    found = (
        rows.filter(F.size(BasketRules.consequent) == 1)
        .select(BasketRules.level, BasketRules.antecedent, BasketRules.consequent, BasketRules.confidence)
        .collect()
    )
    levels = {row[0] for row in found}
    level = next((name for name in ("product", "subcategory", "category") if name in levels), "product")
    about = RuledProducts.themselves(len(catalogue.product_ids))
    number = {product: place for place, product in enumerate(catalogue.product_ids)}
    if level != "product":
        column = {"subcategory": ProductProfile.subcategory, "category": ProductProfile.category}[level]
        known = {
            row[0]: (row[1], row[2])
            for row in products.select(ProductProfile.product_id, column, ProductProfile.buyers).collect()
        }
        listed = [known[product] for product in catalogue.product_ids]
        number = {name: place for place, name in enumerate(sorted({name for name, _ in listed if name is not None}))}
        kind = np.array([number.get(name, NO_ITEM) for name, _ in listed], np.int64)
        buyers = np.array([1 + count for _, count in listed], np.float32)
        most = np.ones(len(number) + 1, np.float32)
        np.maximum.at(most, kind, buyers)  # of NO_ITEM, −1, at the end
        about = RuledProducts(kind, len(number), buyers / most[kind])
    told = [r for r in found if r[0] == level and all(name in number for name in (*r[1], *r[2]))]
    return Rules.of(
        [[number[name] for name in r[1]] for r in told],
        [number[r[2][0]] for r in told],
        np.array([r[3] for r in told], np.float32),
        about,
    )


def _likeliest(answer: FittedQuestion, as_of: AsOf, batch: Batch, position: NDArray[np.int64], most: int) -> Entries:
    """Of each user the likeliest of the candidates, by the second stage; ties to the lower position."""
    none = np.zeros(0, np.int64)
    users, products, chances = [none], [none], [np.zeros(0)]
    for pairs, values in as_of.judged(batch):
        p = answer.predicted(FeatureTable(RANKING, values), kinds_of_pairs(values))
        chosen = np.flatnonzero((position[pairs.product] >= 0) & ~np.isnan(p))
        chosen = chosen[np.lexsort((position[pairs.product[chosen]], -p[chosen], pairs.user[chosen]))]
        user = pairs.user[chosen]
        chosen = chosen[np.arange(len(user)) - np.searchsorted(user, user) < most]
        users.append(pairs.user[chosen])
        products.append(pairs.product[chosen])
        chances.append(p[chosen])
    user, product = np.concatenate(users), np.concatenate(products)
    return Entries(user, product, np.concatenate(chances), np.full(len(user), NO_ITEM, np.int64))


def _positions(product_ids: Sequence[str], items: DataFrame) -> NDArray[np.int64]:
    """The position in the catalogue of lists of each product by number; −1 where it is not in there."""
    rows = items.select(CatalogueItem.product_id, CatalogueItem.item).toArrow()
    found: Mapping[str, int] = dict(zip(*(rows[c].to_pylist() for c in rows.column_names), strict=True))
    return np.array([found.get(product, -1) for product in product_ids], np.int64)


def _ranked_rows(user_ids: pa.Array, found: Mapping[str, Entries], position: NDArray[np.int64]) -> pa.RecordBatch:
    """One row per user of any of the lists. → RankedItems."""
    owner, names, columns = [], [], []
    for name, of_model in found.items():
        users, starts = np.unique(of_model.user, return_index=True)
        offsets = pa.array(np.r_[starts, len(of_model.user)].astype(np.int32))
        because = np.where(of_model.because >= 0, position[of_model.because], -1)
        values = (
            pa.array(position[of_model.item], pa.int32()),
            pa.array(of_model.score, pa.float64()),
            pa.array(because, pa.int32()),
        )
        owner.append(users)
        names.append(np.full(len(users), name, object))
        columns.append([pa.ListArray.from_arrays(offsets, part) for part in values])
    of_user = np.concatenate([np.zeros(0, np.int64), *owner])
    order = np.argsort(of_user, kind="stable")
    users, starts = np.unique(of_user[order], return_index=True)
    every = [pa.array(np.concatenate([np.zeros(0, object), *names])[order], pa.string())]
    for place in range(3):
        parts = [part[place] for part in columns]
        whole = pa.concat_arrays(parts) if parts else pa.array([], pa.list_(pa.int32()))
        every.append(whole.take(pa.array(order)))
    entries = pa.StructArray.from_arrays(every, names=list(ListedItems.columns()))
    lists = pa.ListArray.from_arrays(pa.array(np.r_[starts, len(order)].astype(np.int32)), entries)
    return pa.RecordBatch.from_arrays([user_ids.take(pa.array(users)), lists], names=list(RankedItems.columns()))
