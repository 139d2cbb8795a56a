"""What an allocation chooses from: one row per user, what the user could be given and what that uses of each limit."""

from __future__ import annotations

from pyspark.sql import types as T

from promo_spark.contracts.schema import Col, Frame, Personal

_TEXT, _LONG = T.StringType(), T.LongType()


class OptionUse(Frame):
    """What an option uses of one constraint: an entry of UserOption.uses."""

    constraint = Col(_TEXT, "its name", required=True)
    amount = Col(_LONG, "never negative", unit="whole units, such as minor units of money", required=True)


USE = OptionUse.struct()


class UserOption(Frame):
    """One thing that a user could be given: an entry of UserOptions.options."""

    promotion_id = Col(_TEXT, "a digest: the order among equals", required=True)
    value_micro = Col(
        _LONG,
        "what it brings of its objective; not above 0: never chosen",
        unit="millionths of currency",
        required=True,
    )
    topics = Col(T.ArrayType(_TEXT), "what it is about, see topics.py: a user gets each once", required=True)
    uses = Col(T.ArrayType(USE), "what it uses", required=True)


OPTION = UserOption.struct()


class UserOptions(Frame):
    """One row per user."""

    user_id = Col(_TEXT, "the user", required=True, personal=Personal.IDENTIFIER)
    room = Col(T.IntegerType(), "offers that the user may still get", required=True)
    options = Col(T.ArrayType(OPTION), "what the user could be given", required=True)
