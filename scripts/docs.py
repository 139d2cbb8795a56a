"""Writes docs/tables.md, docs/lineage.md, parts of docs/privacy.md and docs/export.md from contracts and declarations.

.venv/bin/python scripts/docs.py           writes them
.venv/bin/python scripts/docs.py --check   exit code 1 when they tell anything else than the code
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # jobs/ is part of no installation

from promo_spark.contracts.catalogue import ALL_TABLES
from promo_spark.contracts.exports import OutgoingOffer
from promo_spark.reports.documentation import columns_table, consent_table, lineage_page, tables_page, with_generated
from promo_spark.runtime.registry import single_jobs

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> int:
    privacy = (DOCS / "privacy.md").read_text(encoding="utf-8")
    export = (DOCS / "export.md").read_text(encoding="utf-8")
    pages = {
        "tables.md": tables_page(ALL_TABLES),
        "lineage.md": lineage_page(single_jobs()),
        "privacy.md": with_generated(privacy, "consent", consent_table(single_jobs())),
        "export.md": with_generated(export, "rows", columns_table(OutgoingOffer)),
    }
    stale = [name for name, text in pages.items() if not (DOCS / name).is_file() or (DOCS / name).read_text() != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"docs/{name} is not what the code says: run .venv/bin/python scripts/docs.py")
        return 1 if stale else 0
    for name in stale:
        (DOCS / name).write_text(pages[name], encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
