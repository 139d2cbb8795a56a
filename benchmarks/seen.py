"""What the shop has seen of its users in the form that promo_spark/models/uplift learns from."""

from __future__ import annotations

import numpy as np
from delivered import Delivered

from promo_spark.models.uplift.batches import SHARES_LIKE_ALL
from promo_spark.models.uplift.histories import Histories, Messages
from promo_spark.worlds import response
from promo_spark.worlds.catalogue import Catalogue, catalogue
from promo_spark.worlds.streams import Bools, Floats, Ints

_VISITS = 3.0  # usual visits that a user's own lines are drawn to


class Seen:
    """Sums of the delivered lines: user × day, and per user of some products before some day."""

    def __init__(self, of: Delivered) -> None:
        self.of, self.shop = of, catalogue(of.spec)
        bought = of.purchases
        self.paid = bought.listed - bought.reduced - bought.coupon
        self.price = self.shop.list_price[:, of.day // 7] / 100
        self.kept = self.paid - self.shop.cost[bought.product] / 100 * bought.units
        self.ordered: Bools = self.by_day(np.ones(len(bought.user))) > 0
        self.some = SHARES_LIKE_ALL * self.paid.sum() / max(self.ordered.sum(), 1)  # currency

    def by_day(self, values: Floats) -> Floats:
        """User × day: the sum of the lines' values."""
        bought, of = self.of.purchases, self.of
        key = bought.user * of.day + bought.day
        summed: Floats = np.bincount(key, values, of.users * of.day).reshape(of.users, of.day).astype(np.float64)
        return summed

    def histories(self) -> Histories:
        bought = self.of.purchases
        first = np.where(self.ordered.any(axis=1), self.ordered.argmax(axis=1), self.of.day)
        return Histories(
            ordered=self.ordered,
            paid=self.by_day(self.paid).astype(np.float32),
            off=self.by_day(bought.reduced + bought.coupon).astype(np.float32),
            lines=self.by_day(np.ones(len(bought.user))).astype(np.float32),
            known_from=np.where(self.of.registered < 0, 0, np.minimum(self.of.registered, first)),
            messages=self.messages(),
        )

    def department_shares(self, before: int) -> Floats:
        """User × department: of what the user paid before a day; a user of few purchases is like the others."""
        bought, departments = self.of.purchases, int(self.shop.department.max()) + 1
        rows = bought.day < before
        key = bought.user[rows] * departments + self.shop.department[bought.product[rows]]
        paid = np.bincount(key, self.paid[rows], self.of.users * departments).reshape(-1, departments)
        usual = paid.sum(axis=0) / max(paid.sum(), 1e-9)
        shares: Floats = (paid + self.some * usual) / (paid.sum(axis=1, keepdims=True) + self.some)
        return shares

    def department_lines(self, department: int, first: int, end: int) -> Floats:
        """Lines of a department from a day to before another, by user."""
        bought = self.of.purchases
        rows = (bought.day >= first) & (bought.day < end) & (self.shop.department[bought.product] == department)
        lines: Floats = np.bincount(bought.user[rows], minlength=self.of.users).astype(np.float64)
        return lines

    def messages(self) -> Messages:
        """What was opened: coupons of campaigns, and the offers of the random week."""
        tried, parts = self.of.experiments, []
        for number in range(len(tried.start)):
            start, end = int(tried.start[number]), min(int(tried.end[number]), self.of.day)
            department = int(tried.department[number])
            visits, before = self.ordered[:, start:end].sum(axis=1), self.ordered[:, :start].sum(axis=1)
            lines = self.department_lines(department, 0, start)
            usual = lines.sum() / max(before.sum(), 1)
            opened = tried.opened[:, number]
            columns = {
                "user": np.arange(self.of.users),
                "start": np.full(self.of.users, start),
                "end": np.full(self.of.users, end),
                "saving": tried.depth[:, number],
                "share": self.department_shares(start)[:, department],
                "could_use": tried.qualified[:, number],
                "used": tried.redeemed[:, number],
                "visits": visits.astype(np.float64),
                "lines": self.department_lines(department, start, end),
                "usual_lines": (lines + _VISITS * usual) / (before + _VISITS) * visits,
            }
            parts.append({name: values[opened] for name, values in columns.items()})
        parts.append(self._random_week())
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        by_user = np.argsort(joined["user"], kind="stable")
        return Messages(**{name: values[by_user] for name, values in joined.items()})

    def _random_week(self) -> dict[str, np.ndarray]:
        week, start = self.of.explored, self.of.spec.days
        rows = np.flatnonzero((week.mechanic >= 0) & week.opened)
        bought, held = self.of.purchases, self.of.purchases.day >= start
        visits, before = self.ordered[rows, start:].sum(axis=1), self.ordered[rows, :start].sum(axis=1)
        product, lines = week.product[rows], np.zeros((2, len(rows)))
        for place, of_time in enumerate((held, ~held)):
            lines[place] = self.counted(rows, product, of_time, np.ones(len(bought.user)))
        popular = np.bincount(bought.product[~held], minlength=self.shop.products) / max(self.ordered.sum(), 1)
        usual = np.where(product >= 0, popular[np.maximum(product, 0)], 0.0)
        chosen = week.mechanic[rows] == response.COUPON
        largest = self.by_day(self.paid)[rows, start:].max(axis=1)
        return {
            "user": rows,
            "start": np.full(len(rows), start),
            "end": np.full(len(rows), self.of.day),
            "saving": week.saving[rows],
            "share": self.offer_shares(rows, week.mechanic[rows], product, week.second[rows], week.min_spend[rows]),
            "could_use": chosen & (largest >= week.min_spend[rows]),
            "used": week.used[rows] > 0,
            "visits": visits.astype(np.float64),
            "lines": lines[0],
            "usual_lines": np.where(product >= 0, (lines[1] + _VISITS * usual) / (before + _VISITS) * visits, 0.0),
        }

    def counted(self, user: Ints, product: Ints, lines: Bools, values: Floats) -> Floats:
        """Per row: the sum of some lines' values of the row's user and product; 0 where the product is −1."""
        bought, span = self.of.purchases, self.shop.products
        key, place = np.unique(bought.user[lines] * span + bought.product[lines], return_inverse=True)
        total = np.bincount(place, values[lines], len(key))
        wanted = user * span + product
        at = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
        return np.where((product >= 0) & (key[at] == wanted), total[at], 0.0)

    def offer_shares(self, user: Ints, mechanic: Ints, product: Ints, second: Ints, min_spend: Floats) -> Floats:
        """The share of the user's spend before the random week that each offer applies to.

        Of offers on baskets: the share of the user's baskets that reach the minimum spend, by a log-normal.
        """
        history = self.of.purchases.day < self.of.spec.days
        spent = np.maximum(self.by_day(np.where(history, self.paid, 0.0)).sum(axis=1), 0.0)
        popular = np.bincount(self.of.purchases.product[history], self.paid[history], self.shop.products)
        popular = popular / max(popular.sum(), 1e-9)

        def of_product(number: Ints) -> Floats:
            own = self.counted(user, number, history, self.paid)
            usual = np.where(number >= 0, popular[np.maximum(number, 0)], 0.0)
            shares: Floats = (own + self.some * usual) / (spent[user] + self.some)
            return shares

        one, two = of_product(product), of_product(second)
        bundle = mechanic == response.BUNDLE
        shares = np.where(bundle, 2 * np.minimum(one, two), one)
        return np.where(response.ON_PRODUCTS[mechanic], shares, self.reach(user, min_spend))

    def reach(self, user: Ints, min_spend: Floats) -> Floats:
        """The share of the user's baskets that reach a minimum spend; few baskets are filled up by usual ones."""
        mean, deviation = self.log_baskets()
        from scipy.special import ndtr

        level = (np.log(np.maximum(min_spend, 0.01)) - mean[user]) / deviation[user]
        return np.asarray(ndtr(-level), np.float64)

    def log_baskets(self) -> tuple[Floats, Floats]:
        """Mean and standard deviation of the log of each user's baskets, drawn to those of all."""
        paid = self.by_day(self.paid)
        log = np.where(self.ordered, np.log(np.maximum(paid, 0.1)), 0.0)
        count, total = self.ordered.sum(axis=1), log.sum(axis=1)
        usual = total.sum() / max(count.sum(), 1)
        mean = (total + 2 * usual) / (count + 2)
        apart = np.where(self.ordered, (log - mean[:, None]) ** 2, 0.0).sum(axis=1)
        spread = apart.sum() / max(count.sum(), 1)
        return mean, np.sqrt((apart + 5 * spread) / (count + 5))


__all__ = ["Catalogue", "Seen"]
