"""A topic of Kafka: a message per row, keyed by user, sent by Spark's own connector.

Producers are idempotent and wait for all replicas, so that no message is lost. One may come twice, after a task or a
run that was begun again: it is the same message, and who keys by promotion_id sees the offer once. Each message says of
how many rows its export consists, so that a consumer knows when it has all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyspark.sql import functions as F

from promo_spark.contracts.exports import SCHEMA_VERSION
from promo_spark.errors import TargetError
from promo_spark.secret_references import resolved
from promo_spark.settings.export import TargetSettings
from promo_spark.settings.topics import kafka_options
from promo_spark.storage.jvm import SparkFailure
from promo_spark.storage.sinks.batch import INSTANT, Batch, Sent

EXPORT_ID, EXPORT_ROWS, VERSION = "export_id", "export_rows", "schema_version"
_DELIVERY = {  # a broker that is away for longer is told of, and the export is run again
    "delivery.timeout.ms": "120000",
    "request.timeout.ms": "30000",
    "max.block.ms": "60000",
}
_CAUSES = (
    (r"ClassNotFound|Failed to find.*kafka", "its JARs are not on the class path; they come with spark.drivers"),
    (r"SaslAuthentication|SslAuthentication", "the brokers refuse who asks: see options_secret"),
    (r"Authorization(Failed)?Exception|Not authorized", "the user may not write into the topic"),
    (
        r"TimeoutException|UnknownTopicOrPartition|not present in metadata|No resolvable",
        "the brokers or the topic cannot be reached",
    ),
)


def send(batch: Batch, target: TargetSettings) -> Sent:
    """Sends a message per row. Raises TargetError where not all were taken; run again, all are sent again."""
    rows = batch.rows
    told = {EXPORT_ID: F.lit(batch.digest), EXPORT_ROWS: F.lit(batch.count), VERSION: F.lit(SCHEMA_VERSION)}
    columns = [F.col(name) for name in rows.columns] + [value.alias(name) for name, value in told.items()]
    value = F.to_json(F.struct(*columns), {"ignoreNullFields": "false", "timestampFormat": INSTANT})
    messages = rows.select(F.col(batch.shape.partition_by).alias(_KEY), value.alias(_VALUE))
    secrets = {
        name: resolved(reference, f"export.targets.{batch.target}.options_secret.{name}")
        for name, reference in target.options_secret.items()
    }
    given = {**_DELIVERY, **target.options, **secrets, "enable.idempotence": "true", "acks": "all"}
    writer = messages.write.format("kafka").options(**kafka_options(given))
    try:
        writer.option("kafka.bootstrap.servers", target.servers).option("topic", target.topic).save()
        return Sent()
    except SparkFailure as error:
        why = _explained(error, secrets.values())
    raise TargetError(
        f"target {batch.target}: not all of {batch.count} messages came to the topic {target.topic}: {why}. "
        "Run again: messages that are there come once more, with the same promotion_id"
    )


_KEY, _VALUE = "key", "value"


def _explained(error: BaseException, secrets: Iterable[str]) -> str:
    text = f"{error}\n{getattr(error, '_cause', '')}"
    for secret in secrets:
        text = text.replace(secret, "***")
    said = next((line.strip() for line in text.splitlines() if re.search(r"kafka\.\S*Exception: ", line)), "")
    why = next((meaning for pattern, meaning in _CAUSES if re.search(pattern, text)), "the brokers refused")
    return f"{why}. What was said: {re.sub(r'^(Caused by: |: )+', '', said or text.splitlines()[0])[:300]}"
