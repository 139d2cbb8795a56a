"""What all jobs must agree on: the lake, the business, and how Spark is started."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promo_spark.settings.sections import Memory, Positive, SecretReference, Section, Share


class LakeSettings(Section):
    """Where the tables lie: a path, or a catalog when one is configured."""

    root: str
    catalog: str
    wait_seconds: Annotated[int, Field(ge=0, le=86400)]


class PrivacySettings(Section):
    """Whether ids become pseudonyms, with which key, and whom the suite may profile."""

    pseudonymise: bool
    key_secret: SecretReference
    unknown_profiling_consent: Literal["eligible", "excluded"]


class BusinessSettings(Section):
    """What all jobs must agree on."""

    timezone: str
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    excluded_departments: list[str]
    excluded_categories: list[str]
    assumed_margin: Share
    assumed_margin_by_department: dict[str, Share]
    holiday_countries: list[Annotated[str, Field(pattern="^[A-Z]{2}$")]]
    holiday_years: Annotated[int, Field(ge=0, le=50)]
    privacy: PrivacySettings


class SparkSettings(Section):
    """How a job is submitted: master, packages, memory, and any other Spark property in `conf`."""

    master: Annotated[str, Field(pattern=r"^(local(\[.+\])?|local-cluster\[.+\]|spark://.+|yarn|k8s://.+)$")]
    deploy_mode: Literal["client", "cluster"]
    driver_memory: Memory
    executor_memory: Memory
    executor_cores: Positive
    executor_instances: Positive
    packages: list[str]
    drivers: dict[Literal["postgresql", "mysql"], Annotated[str, Field(pattern=r"^[^:\s]+:[^:\s]+:[^:\s]+$")]]
    excludes: list[str]
    jars: list[str]
    repositories: list[str]
    ship_environment: bool
    class_archive: bool
    conf: dict[str, str]
    hadoop_secret: dict[str, SecretReference]
