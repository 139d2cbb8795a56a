"""Which groups the users of a sample are in: read for the weights of examples, and for nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from promo_spark.contracts.silver import Users
from promo_spark.learners.representation import Groups, known_groups


def groups_of_users(drawn: DataFrame, users: DataFrame, attributes: Sequence[str]) -> dict[str, Groups]:
    """By attribute the group of each user of the sample, in the order of the ids. Any frame with them, Users → arrays.

    An attribute by which there are no two groups is left out.
    """
    known = drawn.select(Users.user_id).join(users.select(Users.user_id, *attributes), Users.user_id, "left")
    rows = known.toArrow().sort_by(Users.user_id)  # a sample is bounded
    return known_groups({name: rows.column(name).to_pylist() for name in attributes})
