"""How Spark is started."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from promo_spark.settings.sections import Memory, Positive, SecretReference, Section


class SparkSettings(Section):
    """How a job is submitted: master, packages, memory, and any other Spark property in `conf`."""

    master: Annotated[str, Field(pattern=r"^(local(\[.+\])?|local-cluster\[.+\]|spark://.+|yarn|k8s://.+)$")]
    deploy_mode: Literal["client", "cluster"]
    driver_memory: Memory
    executor_memory: Memory
    executor_cores: Positive
    executor_instances: Positive
    packages: list[str]
    drivers: dict[Literal["postgresql", "mysql", "kafka"], Annotated[str, Field(pattern=r"^[^:\s]+:[^:\s]+:[^:\s]+$")]]
    excludes: list[str]
    jars: list[str]
    repositories: list[str]
    ship_environment: bool
    class_archive: bool
    conf: dict[str, str]
    hadoop_secret: dict[str, SecretReference]
