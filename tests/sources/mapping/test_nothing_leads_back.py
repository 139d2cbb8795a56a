"""What an attacker tries who has a lake without its restricted layer, and the ids that users may have."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from jobs.ingest import run as ingest
from promo_spark.contracts.silver import Users
from promo_spark.runtime.job import Context
from promo_spark.settings import load, mappings
from tests.jobs.delivered_files import DATE
from tests.sources.mapping.ready_files import FILES

KEY = "the-key-of-a-shop-that-nobody-else-has"
# The column that says who a row is about. sales_data and m5 have none: nobody is in them.
USER_COLUMN = {
    "user_behavior": "user_id",
    "user_behavior_data": "user_id",
    "ratings": "user_id",
    "online_retail": "Customer ID",
    "instacart": "user_id",
    "retailrocket": "visitorid",
    "hm": "customer_id",
    "tafeng": "CUSTOMER_ID",
}


def with_long_ids(files: dict[str, str], column: str) -> tuple[dict[str, str], set[str]]:
    """The files with ids of seven digits, which stand in no other text by chance; and these ids."""
    ids: dict[str, str] = {"": ""}
    changed = {}
    for name, text in files.items():
        rows = list(csv.reader(io.StringIO(text)))
        if column in rows[0]:
            place = rows[0].index(column)
            for row in rows[1:]:
                row[place] = ids.setdefault(row[place], str(7_310_007 + 12_347 * len(ids)))
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerows(rows)
        changed[name] = written.getvalue()
    return changed, set(ids.values()) - {""}


def guesses(files: dict[str, str], column: str) -> Iterator[str]:
    """What may have been hashed: an id, a row as it came, as JSON, cell by cell, or up to three of its fields."""
    for text in files.values():
        rows = list(csv.reader(io.StringIO(text)))
        if column not in rows[0]:
            continue
        place = rows[0].index(column)
        yield from text.splitlines()
        for row in rows[1:]:
            named = dict(zip(rows[0], row, strict=False))
            yield json.dumps(named, separators=(",", ":"), ensure_ascii=False)
            for product, rating in list(named.items())[1:]:
                cell = {column: row[place], "product_id": product, "rating": rating}
                yield json.dumps(cell, separators=(",", ":"))
            yield row[place]
            yield row[place].removesuffix(".0")
            for fields in itertools.chain(itertools.permutations(row[:7], 2), itertools.permutations(row[:7], 3)):
                yield "-".join(fields)


def open_tables(lake: Path) -> str:
    """Every value of every table outside the restricted layer, as one text."""
    logs = [p for p in sorted(lake.glob("*/*/_delta_log")) if p.parts[-3] != "restricted"]
    assert len(logs) > 3
    return "\n".join(json.dumps(pl.read_delta(str(p.parent)).to_dicts(), default=str) for p in logs)


@pytest.mark.parametrize("mapping", mappings())
def test_no_stored_value_of_a_ready_mapping_leads_back_to_a_user(
    run_job: Callable[..., Context[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapping: str
) -> None:
    """N02: no id of the shop, and no digest without key of anything that holds one, stands outside restricted."""
    if mapping not in USER_COLUMN:
        sources = load(None, [f"ingest.mapping={mapping}"]).ingest.sources.values()
        assert not any("user_id" in source.columns for source in sources)
        return
    monkeypatch.setenv("SHOP_KEY", KEY)
    files, ids = with_long_ids(FILES[mapping], USER_COLUMN[mapping])
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    ctx = run_job(
        ingest,
        DATE,
        f"ingest.mapping={mapping}",
        f"ingest.folder={tmp_path}",
        "business.holiday_countries=[]",
        'business.privacy.key_secret="env:SHOP_KEY"',
    )
    assert ctx.lake.read(Users).count() >= len(ids) - 1  # H&M and Online Retail have orders of nobody in the list
    stored = open_tables(tmp_path / "lake")
    assert [raw for raw in ids if raw in stored] == []
    tried = {text for text in guesses(files, USER_COLUMN[mapping]) if text}
    assert len(tried) > len(ids)
    hashed = {h(text.encode()).hexdigest() for text in tried for h in (hashlib.sha256, hashlib.sha1, hashlib.md5)}
    assert [digest for digest in hashed if digest in stored] == []
