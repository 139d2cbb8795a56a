"""Typed settings: conf/base.toml < conf/sources/<mapping>.toml < conf/<env>.toml < --set section.key=value.

One frozen section per job or matter, in a file of its name; `Settings` in loading.py registers them all. The numbers
stand in conf/base.toml and only there, so a section has types and bounds but no defaults; only what a user writes per
source has them. Unknown keys, missing keys, wrong types and values that make no sense are errors that name the key,
raised before Spark starts. Secrets appear only as references, `env:NAME` or `file:PATH`, under keys that end in
`_secret`.
"""

from promo_spark.settings.loading import Settings, environments, load, mappings, parsed_date, validated
from promo_spark.settings.sections import Section

__all__ = ["Section", "Settings", "environments", "load", "mappings", "parsed_date", "validated"]
