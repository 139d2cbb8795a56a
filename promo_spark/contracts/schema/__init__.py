"""What contracts are written in: columns, checks, tables, and kinds of personal data."""

from promo_spark.contracts.schema.checks import COMPARISONS, Check, Criticality, SourceCheck
from promo_spark.contracts.schema.columns import MONEY, QUANTITY, RATE, Col, widens
from promo_spark.contracts.schema.frame import Frame
from promo_spark.contracts.schema.personal import RESTRICTED, Personal
from promo_spark.contracts.schema.table import CONTRACT_VERSION_KEY, Table, WriteMode, contract_version

__all__ = [
    "COMPARISONS",
    "CONTRACT_VERSION_KEY",
    "MONEY",
    "QUANTITY",
    "RATE",
    "RESTRICTED",
    "Check",
    "Col",
    "Criticality",
    "Frame",
    "Personal",
    "SourceCheck",
    "Table",
    "WriteMode",
    "contract_version",
    "widens",
]
