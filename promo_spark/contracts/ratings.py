"""Ratings of any kind, as the command rank reads them and answers."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal

_TEXT, _DOUBLE = T.StringType(), T.DoubleType()


class Rating(Frame):
    """One row per user and item."""

    user = Col(_TEXT, "who", required=True, personal=Personal.IDENTIFIER)
    item = Col(_TEXT, "what", required=True)
    rating = Col(_DOUBLE, "stars, or how often; above 0", required=True)
    time = Col(_DOUBLE, "when, as a number that rises; null: nobody knows")


class RatedItem(Frame):
    """One row per user and item: an entry of RatedItems.rated."""

    item = Col(T.IntegerType(), "the item's number", required=True)
    rating = Col(_DOUBLE, "as in Rating", required=True)
    part = Col(T.IntegerType(), "0: learnt from; 1: weights are learnt by it; 2: the test", required=True)


class RatedItems(Frame):
    """One row per user."""

    user = Col(_TEXT, "who", required=True, personal=Personal.IDENTIFIER)
    rated = Col(T.ArrayType(RatedItem.schema()), "the user's items, by number", required=True)


class RankedItem(Frame):
    """One row per user and rank: what the command writes."""

    user = Col(_TEXT, "who", required=True, personal=Personal.IDENTIFIER)
    rank = Col(T.IntegerType(), "1 = best", required=True)
    item = Col(_TEXT, "what", required=True)
    score = Col(
        _DOUBLE, "the recommender's own; comparable between lists of one user only; null: a filler", required=False
    )
    because = Col(_TEXT, "the user's item that speaks most for it; null: none does")
    recommender = Col(_TEXT, "what ranks it; popular fills lists that it leaves short", required=True)
    title = Col(_TEXT, "the item's title, as the file of items has it; null: it has none")
    item_type = Col(
        _TEXT, "what kind of thing it is, such as news, video, group, as that file has it; null: it has none"
    )


class ListFigures(Frame):
    """One row per user and recommender: how good the user's list is against what the user came to."""

    user = Col(_TEXT, "who", required=True, personal=Personal.IDENTIFIER)
    recommender = Col(_TEXT, "whose list", required=True)
    cold = Col(T.BooleanType(), "nothing of the user was learnt from", required=True)
    figures = Col(T.ArrayType(_DOUBLE), "by metric, in the order of LIST_METRICS; NaN: not defined", required=True)
    items = Col(T.ArrayType(T.IntegerType()), "the list", required=True)
