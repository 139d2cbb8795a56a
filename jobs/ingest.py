"""Take a retailer's data in: raw files → silver.*, and every rejected row → quarantine.* with its reasons.

The sources are chosen in [ingest] of the settings: `complete_journey`, the demo's retailer, or `files`: any
CSV, JSON-lines, Parquet, ORC or Delta files, tables of databases and change feeds of Delta tables, under an
explicit mapping of columns; ready mappings of known data sets lie in conf/sources. Loading the same input
again changes nothing. Every source is judged before anything is written: what a check rejects is quarantined,
a delivery that breaks a limit of [ingest.gate] is refused as a whole. Rows in = accepted + quarantined +
blank, per source, is proved in ops.runs; what was judged and found, in ops.data_quality and its page.
"""

from __future__ import annotations

from promo_spark.contracts.catalogue import QUARANTINE, RESTRICTED_TABLES, SILVER
from promo_spark.contracts.ops import DataQuality, IdKey, SourceColumns, SourceFiles
from promo_spark.contracts.restricted import Suppressed
from promo_spark.flows.ingest import identities, ledger, loading, quality_report
from promo_spark.flows.ingest.deliveries import deliveries, sources_digest
from promo_spark.flows.ingest.first_look import first_look
from promo_spark.flows.ingest.judgement import judged
from promo_spark.runtime.job import ByHand, Context, job, main
from promo_spark.settings.ingest import IngestSettings


@job(
    reads=[],
    optional=[ByHand(Suppressed)],
    writes=[*SILVER, *RESTRICTED_TABLES, *QUARANTINE.values(), DataQuality, SourceColumns, SourceFiles, IdKey],
    settings=IngestSettings,
    inputs=sources_digest,
    look=first_look,
    refuse=identities.refuse_before_reading,
)
def run(ctx: Context[IngestSettings]) -> None:
    key = identities.lake_key(ctx)
    found = deliveries(ctx, key)
    loading.refuse_missing_tables(found.tables)
    delivered = identities.without_erased(ctx, identities.with_persons(ctx, found.deliveries))
    judgements = judged(ctx, [identities.with_pseudonyms(ctx, delivery, key) for delivery in delivered])
    columns = quality_report.known_columns(ctx)
    report = quality_report.pass_gate(ctx, judgements, columns, found.nothing_new)
    identities.write_key(ctx, key)
    loading.load(ctx, judgements, key)
    loading.count_nothing_new(ctx, found.nothing_new)
    identities.write_identities(ctx, delivered, key)
    ledger.write_files(ctx, judgements)
    quality_report.write_columns(ctx, delivered, columns)
    quality_report.write_report(ctx, judgements, report)


if __name__ == "__main__":
    main(run)
