"""Days that are simulated in a synthetic retailer."""

from __future__ import annotations

from promo_spark.settings.sections import Positive, Section


class SimulateSettings(Section):
    """How the simulated day is computed; the world says where its raw files go."""

    partitions: Positive
