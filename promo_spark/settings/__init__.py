"""Typed settings: conf/base.toml < conf/sources/<mapping>.toml < conf/<env>.toml < --set section.key=value.

One frozen section per job, named like the job. The numbers stand in conf/base.toml and only there, so
a section here has types and bounds but no defaults; only what a user writes per source has them. Unknown
keys, missing keys and wrong types are errors that name the key. Secrets appear only as references,
`env:NAME` or `file:PATH`, under keys that end in `_secret`.
"""

from promo_spark.settings.ingest import (
    ColumnCleaning,
    GateLimits,
    GateSettings,
    IngestSettings,
    MostlyMissing,
    OwnCheck,
)
from promo_spark.settings.loading import CONF, Settings, environments, load, mappings, parsed_date, validated
from promo_spark.settings.sections import Section
from promo_spark.settings.sources import (
    ColumnMapping,
    Condition,
    ConnectionSettings,
    Extraction,
    LookupSettings,
    SourceSettings,
    UnpivotSettings,
)
from promo_spark.settings.strategy import (
    BasketsSettings,
    ForecastSettings,
    PipelineSettings,
    ProfileSettings,
    PromoteSettings,
    RecommendSettings,
    SegmentSettings,
)
from promo_spark.settings.surroundings import BusinessSettings, LakeSettings, PrivacySettings, SparkSettings
from promo_spark.settings.worlds import GenerateSettings, SimulateSettings, WorldSegmentSettings

__all__ = [
    "CONF",
    "BasketsSettings",
    "BusinessSettings",
    "ColumnCleaning",
    "ColumnMapping",
    "Condition",
    "ConnectionSettings",
    "Extraction",
    "ForecastSettings",
    "GateLimits",
    "GateSettings",
    "GenerateSettings",
    "IngestSettings",
    "LakeSettings",
    "LookupSettings",
    "MostlyMissing",
    "OwnCheck",
    "PipelineSettings",
    "PrivacySettings",
    "ProfileSettings",
    "PromoteSettings",
    "RecommendSettings",
    "Section",
    "SegmentSettings",
    "Settings",
    "SimulateSettings",
    "SourceSettings",
    "SparkSettings",
    "UnpivotSettings",
    "WorldSegmentSettings",
    "environments",
    "load",
    "mappings",
    "parsed_date",
    "validated",
]
