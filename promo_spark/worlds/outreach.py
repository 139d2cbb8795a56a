"""What the shop knows of its offers to its users, as raw rows: campaigns, coupons, arms, messages, uses, answers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from promo_spark.worlds import response, welcomes
from promo_spark.worlds.assignments import approached, arms, assigned, campaign_pulls
from promo_spark.worlds.catalogue import ARM_DEPTHS, catalogue
from promo_spark.worlds.offers import Offers, offer_keys, opened_messages
from promo_spark.worlds.orders import NO_CAMPAIGN
from promo_spark.worlds.population import Population, population
from promo_spark.worlds.raw_columns import batch, campaign_ids, date_texts, moments, product_ids, taken, user_ids
from promo_spark.worlds.records import products_in
from promo_spark.worlds.redemption import Uses
from promo_spark.worlds.shopping import History
from promo_spark.worlds.spec import WorldSpec
from promo_spark.worlds.streams import Bools, Floats, Ints, keyed_uniforms, stream

CHANNELS = ("mail", "push")
_ANSWERING = 0.03  # share of messages that are answered by a survey
WELCOME = "welcome"  # kind of the campaigns that carry welcome coupons
_SENT, _OPENED_AFTER = 10 * 3600, 9 * 3600  # second of the day; most seconds until a message is opened
_GREETED = 12 * 3600 + 600  # second of the day of a welcome: accounts are opened at noon
_OF_WELCOMES = -1  # number of the message in what chance decides of it
_BOUNCED = 0.01  # share of messages that never arrive


def campaigns(spec: WorldSpec) -> pa.RecordBatch:
    """The campaigns of the history; the welcome coupons of those who register on a day are one too."""
    of_shop = catalogue(spec).campaigns
    kind = [("randomised" if drawn else "targeted") for drawn in of_shop.randomised]
    started = np.arange(spec.days if spec.welcome_saving else 0)
    start, end = np.append(of_shop.start, started), np.append(of_shop.end, started + welcomes.VALID_DAYS)
    return batch(
        "campaigns",
        {
            "campaign_id": welcomes.carriers_of_history(spec),
            "kind": [*kind, *([WELCOME] * len(started))],
            "start_date": [spec.date(int(day)).isoformat() for day in start],
            "end_date": [spec.date(int(day) - 1).isoformat() for day in end],
        },
    )


def welcome_campaign(spec: WorldSpec, day: int) -> dict[str, str]:
    """The campaign of those who register on a day of the future, as a raw row."""
    return {
        "campaign_id": welcomes.coupon_ids(spec, np.array([day]))[0].as_py(),
        "kind": WELCOME,
        "start_date": spec.date(day).isoformat(),
        "end_date": spec.date(day + welcomes.VALID_DAYS - 1).isoformat(),
    }


def coupons(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """A campaign's coupon has the campaign's name, and is good for the products of its department."""
    shop, chosen = catalogue(spec), products_in(spec, block)
    number, product = np.nonzero(shop.campaigns.department[:, None] == shop.department[chosen])
    campaign = taken(campaign_ids(len(shop.campaigns)), number)
    return batch(
        "coupons",
        {
            "campaign_id": campaign,
            "coupon_id": campaign,
            "product_id": product_ids(chosen[product]),
        },
    )


def assignments(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """The arms of the randomised campaigns: everybody who could be drawn, controls included."""
    people, of_shop = population(spec, block), catalogue(spec).campaigns
    arm = assigned(spec, people, block)
    user, number = np.nonzero(arm.eligible & of_shop.randomised)
    names, chances = arms(spec)
    depth = arm.depth[user, number]
    place = np.where(depth > 0, 1 + np.searchsorted(ARM_DEPTHS, depth), 0)
    return batch(
        "assignments",
        {
            "campaign_id": taken(campaign_ids(len(of_shop)), number),
            "user_id": user_ids(people.numbers).take(pa.array(user)),
            "arm": taken(pa.array(names), place),
            "mechanic": taken(pa.array(["coupon"]), np.zeros(len(user), int), place == 0),
            "depth": depth,
            "propensity": np.array(chances)[place],
            "assigned_on": taken(date_texts(spec), of_shop.start[number]),
        },
    )


def contacts(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """Who was sent the coupon of a campaign of the history, or a welcome coupon."""
    people, of_shop = population(spec, block), catalogue(spec).campaigns
    user, number = np.nonzero(assigned(spec, people, block).contacted)
    new = _welcomed(spec, people, 0, spec.days)
    ids = pa.concat_arrays(
        [taken(campaign_ids(len(of_shop)), number), welcomes.coupon_ids(spec, people.joined[new].astype(np.int64))]
    )
    return _contacts(
        spec, people, np.append(user, new), ids, np.append(of_shop.start[number], people.joined[new]).astype(np.int64)
    )


def welcome_contacts(spec: WorldSpec, block: int, day: int) -> pa.RecordBatch:
    """Who was sent a welcome coupon on a day of the future."""
    people = population(spec, block)
    new = _welcomed(spec, people, day, day + 1)
    days = people.joined[new].astype(np.int64)
    return _contacts(spec, people, new, welcomes.coupon_ids(spec, days), days)


def _welcomed(spec: WorldSpec, people: Population, first_day: int, end: int) -> Ints:
    days = welcomes.first_days(spec, people)
    return np.flatnonzero((days >= first_day) & (days < end))


def _contacts(spec: WorldSpec, people: Population, user: Ints, ids: pa.Array, day: Ints) -> pa.RecordBatch:
    return batch(
        "contacts",
        {
            "campaign_id": ids,
            "user_id": taken(user_ids(people.numbers), user),
            "contacted_on": taken(date_texts(spec), day),
            "channel": taken(pa.array(CHANNELS), _channel(people, user)),
        },
    )


def exposures(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """One row per message of the history's campaigns, and per welcome."""
    people, of_shop = population(spec, block), catalogue(spec).campaigns
    arm = assigned(spec, people, block)
    user, number = np.nonzero(arm.contacted)
    offers = welcomes.welcome_offers(spec, people, _welcomed(spec, people, 0, spec.days))
    ids = pa.concat_arrays([taken(campaign_ids(len(of_shop)), number), offers.ids])
    days = np.append(of_shop.start[number], offers.first_day)
    opened = np.append(arm.opened[user, number], opened_messages(spec, people, offers, offer_keys(offers)))
    numbers = np.append(number, np.full(len(offers), _OF_WELCOMES))
    return _messages(spec, people, np.append(user, offers.user), ids, days, opened, numbers)


def exposures_of_day(spec: WorldSpec, people: Population, offers: Offers, opened: Bools, day: int) -> pa.RecordBatch:
    """One row per offer that was made for the day."""
    new = np.flatnonzero(offers.first_day == day)
    ids = offers.ids.take(pa.array(new))
    number = np.where(welcomes.is_welcome(offers)[new], _OF_WELCOMES, new)
    return _messages(spec, people, offers.user[new], ids, np.full(len(new), day), opened[new], number)


def redemptions(spec: WorldSpec, past: History) -> pa.RecordBatch:
    """One row per user, campaign and day on which lines carry its coupon, welcome coupons included."""
    lines, orders = past.lines, past.orders
    rows = np.flatnonzero(lines.campaign != NO_CAMPAIGN)
    keys = np.stack([orders.user[lines.order[rows]], lines.campaign[rows], orders.day[lines.order[rows]]], axis=1)
    user, number, day = (np.unique(keys, axis=0) if len(rows) else keys).T
    coupon = taken(welcomes.carriers_of_history(spec), number)
    return _redeemed(spec, past.users, user, coupon, coupon, day)


def redemptions_of_day(spec: WorldSpec, past: History, offers: Offers, uses: Uses, day: int) -> pa.RecordBatch:
    """One row per offer on a basket or with a choice that was used on the day."""
    told = ~response.ON_PRODUCTS[offers.mechanic[uses.offer]] | response.CHOSEN[offers.mechanic[uses.offer]]
    offer = np.unique(uses.offer[told])
    rows = pa.array(offer)
    ids, carriers = offers.ids.take(rows), offers.carriers.take(rows)
    return _redeemed(spec, past.users, offers.user[offer], ids, carriers, np.full(len(offer), day))


def feedback(spec: WorldSpec, block: int) -> pa.RecordBatch:
    """Some of those contacted answer a survey; who is annoyed by offers likes them less."""
    told = approached(spec, block)
    campaigns_of_shop = catalogue(spec).campaigns
    draw = stream(spec.seed, "feedback", block)
    user, number = np.nonzero(told.assigned.contacted & told.assigned.opened)
    answers = (draw.random(len(user)) < _ANSWERING) & ~population(spec, block).only_offers[user]
    user, number = user[answers], number[answers]
    day = np.minimum(campaigns_of_shop.start[number] + draw.integers(1, 7, len(user)), spec.days - 1)
    pull = campaign_pulls(spec, told.users, told.assigned)[user, number]
    return _surveys(spec, told.users, user, pull, draw.normal(0, 0.9, len(user)), day, f"F{block}")


def feedback_of_day(
    spec: WorldSpec, people: Population, pull: Floats, offers: Offers, opened: Bools, day: int
) -> pa.RecordBatch:
    """Some of those who opened an offer that was made for the day answer a survey."""
    of_users = np.unique(offers.user[(offers.first_day == day) & opened])
    numbers = people.numbers[of_users]
    user = of_users[keyed_uniforms(spec.seed, "answers", np.array(day), numbers) < _ANSWERING]
    spread = keyed_uniforms(spec.seed, "mood", np.array(day), people.numbers[user])
    noise = 0.9 * np.log(np.clip(spread, 1e-6, 1 - 1e-6) / (1 - np.clip(spread, 1e-6, 1 - 1e-6))) / 1.8
    return _surveys(spec, people, user, pull[user], noise, np.full(len(user), day), f"F{people.first}-D{day}")


def _surveys(
    spec: WorldSpec, people: Population, user: Ints, pull: Floats, noise: Floats, day: Ints, prefix: str
) -> pa.RecordBatch:
    return batch(
        "feedback",
        {
            "feedback_id": pc.binary_join_element_wise(prefix, pa.array(np.arange(len(user))).cast(pa.string()), "-"),
            "user_id": taken(user_ids(people.numbers), user),
            "promotion_id": pa.nulls(len(user), pa.string()),
            "kind": ["survey"] * len(user),
            "score": np.clip(np.rint(response.mood(pull) + noise), 1, 5),
            "ts": moments(spec, day, np.full(len(user), 43200)),
        },
    )


def _messages(
    spec: WorldSpec, people: Population, user: Ints, ids: pa.Array, day: Ints, opened: Bools, number: Ints
) -> pa.RecordBatch:
    who = people.numbers[user]
    bounced = ~opened & (keyed_uniforms(spec.seed, "bounced", who, day, number) < _BOUNCED)
    after = (keyed_uniforms(spec.seed, "opened at", who, day, number) * _OPENED_AFTER).astype(np.int64)
    at = np.where(number == _OF_WELCOMES, _GREETED, _SENT)
    sent, seen = moments(spec, day, at), moments(spec, day, at + after)
    missing = pa.nulls(len(user), pa.string())
    return batch(
        "exposures",
        {
            "promotion_id": ids,
            "user_id": user_ids(who),
            "channel": taken(pa.array(CHANNELS), _channel(people, user)),
            "sent_at": pc.if_else(pa.array(bounced), missing, sent),
            "opened_at": pc.if_else(pa.array(opened), seen, missing),
            "suppressed": pc.if_else(pa.array(bounced), "bounced", missing),
        },
    )


def _redeemed(
    spec: WorldSpec, people: Population, user: Ints, coupon: pa.Array, carrier: pa.Array, day: Ints
) -> pa.RecordBatch:
    return batch(
        "redemptions",
        {
            "user_id": taken(user_ids(people.numbers), user),
            "coupon_id": coupon,
            "campaign_id": carrier,
            "redeemed_on": taken(date_texts(spec), day),
        },
    )


def _channel(people: Population, user: Ints) -> Ints:
    return (people.online[user] > 0.5).astype(np.int64)
