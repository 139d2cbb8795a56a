"""What a job may do with the lake by itself: read the tables that it writes."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession

from promo_spark.contracts.schema import Table
from promo_spark.errors import ContractError
from promo_spark.runtime.declaration import Job
from promo_spark.storage.lake import Lake


class OwnLake:
    """The lake, for the tables that the job itself writes: what else a job reads, it reads by its declaration."""

    def __init__(self, lake: Lake, job: Job) -> None:
        self._lake = lake
        self._job = job

    @property
    def root(self) -> str:
        return self._lake.root

    @property
    def catalog(self) -> str:
        return self._lake.catalog

    @property
    def spark(self) -> SparkSession:
        return self._lake.spark

    def exists(self, table: type[Table]) -> bool:
        return self._lake.exists(self._own(table))

    def read(self, table: type[Table]) -> DataFrame:
        return self._lake.read(self._own(table))

    def _own(self, table: type[Table]) -> type[Table]:
        if table not in self._job.writes:
            raise ContractError(
                f"job {self._job.name} reads {table.full_name()} from the lake, which it does not write: declare it "
                "and use ctx.read"
            )
        return table
