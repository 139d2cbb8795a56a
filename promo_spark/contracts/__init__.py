"""What every table is. A column's meaning, type, unit and checks are here and nowhere else."""

from __future__ import annotations

from promo_spark.contracts.decisions import DECISIONS
from promo_spark.contracts.features import FEATURES
from promo_spark.contracts.models import MODELS
from promo_spark.contracts.ops import OPS
from promo_spark.contracts.silver import QUARANTINE, SILVER
from promo_spark.contracts.table import Table
from promo_spark.contracts.truth import TRUTH

ALL_TABLES: tuple[type[Table], ...] = (
    *SILVER, *QUARANTINE.values(), *FEATURES, *MODELS, *DECISIONS, *OPS, *TRUTH,
)  # fmt: skip

__all__ = ["ALL_TABLES", "DECISIONS", "FEATURES", "MODELS", "OPS", "QUARANTINE", "SILVER", "TRUTH", "Table"]
