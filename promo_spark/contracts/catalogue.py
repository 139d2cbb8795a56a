"""All tables there are. A column's meaning, type, unit and checks stand in its contract and nowhere else."""

from __future__ import annotations

import difflib

from promo_spark.contracts.bundles import BUNDLES
from promo_spark.contracts.decisions import DECISIONS
from promo_spark.contracts.effects import EFFECTS
from promo_spark.contracts.exports import EXPORTS
from promo_spark.contracts.features import FEATURES
from promo_spark.contracts.housekeeping import HOUSEKEEPING
from promo_spark.contracts.intraday import INTRADAY
from promo_spark.contracts.measurement import MEASUREMENT
from promo_spark.contracts.models import MODELS
from promo_spark.contracts.ops import OPS
from promo_spark.contracts.policy import POLICIES
from promo_spark.contracts.predictions import PREDICTIONS
from promo_spark.contracts.responses import RESPONSES
from promo_spark.contracts.restricted import RESTRICTED_QUARANTINE, RESTRICTED_TABLES, Suppressed
from promo_spark.contracts.risk import RISKS
from promo_spark.contracts.schema import Table
from promo_spark.contracts.segments import SEGMENT_TABLES
from promo_spark.contracts.silver import QUARANTINE as SILVER_QUARANTINE
from promo_spark.contracts.silver import SILVER
from promo_spark.contracts.supply import SUPPLY
from promo_spark.contracts.truth import TRUTH
from promo_spark.contracts.withheld import Withheld
from promo_spark.errors import SettingsError

QUARANTINE = {**SILVER_QUARANTINE, **RESTRICTED_QUARANTINE}

ALL_TABLES: tuple[type[Table], ...] = (
    *SILVER,
    *RESTRICTED_TABLES,
    Suppressed,
    *QUARANTINE.values(),
    *FEATURES,
    *MODELS,
    *BUNDLES,
    *SEGMENT_TABLES,
    *PREDICTIONS,
    *RESPONSES,
    *EFFECTS,
    *SUPPLY,
    *RISKS,
    *DECISIONS,
    Withheld,
    *EXPORTS,
    *POLICIES,
    *MEASUREMENT,
    *OPS,
    *HOUSEKEEPING,
    *INTRADAY,
    *TRUTH,
)


def table_named(name: str) -> type[Table]:
    """The table of that full name. Raises SettingsError, with the names nearest to it, where there is none.

    >>> table_named("decisions.budget").__name__
    'Budget'
    """
    tables = {table.full_name(): table for table in ALL_TABLES}
    if name not in tables:
        near = difflib.get_close_matches(name, tables, n=3)
        meant = f"did you mean {', '.join(near)}? " if near else ""
        raise SettingsError(f"there is no such table as {name}; {meant}docs/tables.md names all, as layer.table")
    return tables[name]


__all__ = [
    "ALL_TABLES",
    "DECISIONS",
    "EXPORTS",
    "FEATURES",
    "MODELS",
    "OPS",
    "PREDICTIONS",
    "QUARANTINE",
    "RESTRICTED_TABLES",
    "SILVER",
    "TRUTH",
    "Table",
    "table_named",
]
