"""Secrets and personal data planted in a tiny shop, then looked for in every byte that a run leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from promo_spark.settings import load
from promo_spark.sources.persons.pseudonyms import pseudonym

KEY = "canary-secret-01-the-shops-key-of-pseudonyms"
SECRETS = {
    "the key, from the environment": KEY,
    "another key, from a file": "canary-secret-02-a-key-that-is-not-the-lakes",
    "a key too short": "canary-secret-03",
    "a key that is no text": "canary-secret-04-with-a-broken-byte-at-its-end",
    "a key where its reference belongs": "canary-secret-05-written-into-the-settings",
    "a password nobody asked for": "canary-secret-06",
    "a token in a mapping": "canary-secret-07",
    "a store's secret among Spark's properties": "canary-secret-08",
    "a database's password in the environment": "canary-secret-09",
    "a key that leads nowhere": "canary-secret-10",
}
# Kept, but in the restricted layer alone.
RESTRICTED = {
    "id in a good row": "canary-user-anna",
    "id in a rejected row only": "canary-user-ben",
    "id of another channel": "canary-cookie-77",
    "name": "Canary Ann Persona",
    "e-mail": "canary.ann@mail.example",
    "phone": "+49 171 5550123",
    "address": "7 Canary Row",
    "name and e-mail in a broken row": "Canary Ben; canary.ben@mail.example",
}
# Typed by users: masked, so that they stay in the owner's files alone.
TYPED = {"e-mail in a review": "canary.typed@mail.example", "phone in a search": "0171-555 98 76"}

RUNS = """
import json, sys
from promo_spark.runtime.registry import all_jobs
from promo_spark.runtime.command_line import run_job
for settings in sys.argv[1:]:
    code = run_job(all_jobs(), ["pipeline", "--date", "2024-06-01", "--settings-file", settings])
    print("exit", code, flush=True)
"""


def shop(folder: Path) -> dict[str, object]:
    """Files with every canary of RESTRICTED and TYPED, and the mapping of them."""
    anna, ben = RESTRICTED["id in a good row"], RESTRICTED["id in a rejected row only"]
    files = {
        "products.csv": ["sku", "tea", "milk"],
        "orders.csv": [
            "order,who,sku,pieces,paid,when",
            *(f"o{day},{anna},tea,1,2.50,2024-05-{day:02}T10:00:00" for day in range(1, 9)),
            f"o9,{ben},no such product,1,2.50,2024-05-09T10:00:00",  # rejected: unknown product
        ],
        "customers.csv": [
            "id;name;mail;phone;street;region",
            f"{anna};{RESTRICTED['name']};{RESTRICTED['e-mail']};{RESTRICTED['phone']};{RESTRICTED['address']};north",
            f"{RESTRICTED['name and e-mail in a broken row']};too;many;fields;in;this;row",
        ],
        "contacts.csv": ["campaign,who", f"may,{anna}"],
        "cookies.csv": ["channel,cookie,id", f"web,{RESTRICTED['id of another channel']},{anna}"],
        "headless.csv": [f"{anna};{RESTRICTED['name']};{RESTRICTED['e-mail']}"],
    }
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "events.jsonl").write_text(
        "".join(
            json.dumps(event) + "\n"
            for event in (
                {
                    "id": "e1",
                    "who": anna,
                    "kind": "review",
                    "day": "2024-05-09",
                    "at": "2024-05-09T10:00:00",
                    "text": f"Lovely. Write to {TYPED['e-mail in a review']}!",
                },
                {
                    "id": "e2",
                    "who": anna,
                    "kind": "search",
                    "day": "2024-05-09",
                    "at": "2024-05-09T11:00:00",
                    "text": f"tea, call {TYPED['phone in a search']}",
                },
            )
        ),
        encoding="utf-8",
    )

    def mapping(file: str, **columns: str) -> dict[str, object]:
        kind = "json" if file.endswith("jsonl") else "csv"
        delimiter = ";" if file in ("customers.csv", "headless.csv") else ","
        return {"path": str(folder / file), "format": kind, "delimiter": delimiter, "columns": columns}

    return {
        "products": mapping("products.csv", product_id="sku"),
        "order_lines": mapping(
            "orders.csv",
            order_id="order",
            user_id="who",
            product_id="sku",
            quantity="pieces",
            amount_paid="paid",
            ts="when",
        ),
        "contacts": mapping("contacts.csv", campaign_id="campaign", user_id="who"),
        "users": mapping("customers.csv", user_id="id", region="region", address_digest="street"),
        "persons": mapping(
            "customers.csv", user_id="id", person_name="name", email="mail", phone="phone", address="street"
        ),
        "identity_map": mapping("cookies.csv", channel="channel", channel_user_id="cookie", user_id="id"),
        "events": mapping(
            "events.jsonl",
            event_id="id",
            user_id="who",
            event_type="kind",
            ts="at",
            event_date="day",
            query="text",
            review_text="text",
        ),
    }


def settings_files(folder: Path, lake: Path, events: Path) -> list[Path]:
    """The settings of each run: the first takes the shop in and profiles it, the others are refused."""
    values = load(
        None,
        [
            f"lake.root={lake}",
            'spark.master="local[2]"',
            'spark.driver_memory="2g"',
            'pipeline.jobs=["ingest", "profile"]',
            'business.privacy.key_secret="env:CANARY_KEY"',
        ],
    ).model_dump(mode="json")
    values["ingest"]["sources"] = shop(folder)
    values["spark"]["conf"] = {
        "spark.eventLog.enabled": "true",
        "spark.eventLog.dir": events.as_uri(),
        "spark.eventLog.compress": "false",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m",  # a minute's work
        "spark.sql.ui.explainMode": "formatted",  # the most that a log may tell of a plan, as on a cluster
        "spark.hadoop.fs.s3a.secret.key": SECRETS["a store's secret among Spark's properties"],
    }
    (folder / "other.key").write_text(SECRETS["another key, from a file"], encoding="utf-8")
    (folder / "short.key").write_text(SECRETS["a key too short"], encoding="utf-8")
    (folder / "bytes.key").write_bytes(SECRETS["a key that is no text"].encode() + b"\xff")
    written: list[Path] = []

    def run(change: dict[tuple[str, ...], object]) -> None:
        changed = json.loads(json.dumps(values))
        for path, value in change.items():
            section = changed
            for name in path[:-1]:
                section = section[name]
            section[path[-1]] = value
        written.append(folder / f"settings-{len(written)}.json")
        written[-1].write_text(json.dumps(changed), encoding="utf-8")

    key = ("business", "privacy", "key_secret")
    run({})
    run({key: f"file:{folder / 'other.key'}"})
    run({key: f"file:{folder / 'short.key'}"})
    run({key: f"file:{folder / 'bytes.key'}"})
    run({key: SECRETS["a key where its reference belongs"]})
    run({("ingest", "password"): SECRETS["a password nobody asked for"]})
    run({("ingest", "sources", "users", "api_token"): SECRETS["a token in a mapping"]})
    run({key: f"vault:{SECRETS['a key that leads nowhere']}"})
    run({("ingest", "sources", "persons", "path"): str(folder / "headless.csv")})  # its first line is a person
    return written


def left_behind(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file's bytes and, of Parquet, whose pages are compressed, every value as well."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        content = path.read_bytes()
        if path.suffix == ".parquet":
            content += json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False).encode()
        yield path, content


def found_in(files: Iterator[tuple[Path, bytes]], canaries: dict[str, str]) -> set[str]:
    """The names of the canaries that some file holds."""
    contents = [content for _, content in files]
    return {name for name, canary in canaries.items() if any(canary.encode() in content for content in contents)}


@pytest.mark.slow
def test_no_planted_secret_and_no_planted_person_is_found_outside_the_restricted_layer(tmp_path: Path) -> None:
    """N01, N02, N03: 20 planted, 0 found by byte search of lake, event log, run log, stdout and stderr."""
    folder, lake, events = (tmp_path / name for name in ("shop", "lake", "events"))
    for made in (folder, events):
        made.mkdir()
    runs = settings_files(folder, lake, events)
    environment = {
        **os.environ,
        "CANARY_KEY": KEY,
        "SHOP_JDBC_PASSWORD": SECRETS["a database's password in the environment"],
        "PYSPARK_PYTHON": sys.executable,
    }
    ran = subprocess.run(
        [sys.executable, "-c", RUNS, *map(str, runs)],
        cwd=Path(__file__).resolve().parents[1],
        env=environment,
        capture_output=True,
        check=False,
        timeout=540,
    )
    told = ran.stdout + ran.stderr
    exits = [line.split()[1] for line in ran.stdout.decode().splitlines() if line.startswith("exit")]
    assert exits == ["0", *["2"] * 7, "3"], told.decode()  # taken in; seven wrong settings; one wrong source

    # The search finds what is there: the restricted layer has all it should, the owner's files have the rest.
    assert len(SECRETS) + len(RESTRICTED) + len(TYPED) == 20
    assert found_in(left_behind(lake / "restricted"), RESTRICTED) == set(RESTRICTED)
    assert found_in(left_behind(folder), RESTRICTED | TYPED) == {*RESTRICTED, *TYPED}
    anna = {"pseudonym": pseudonym(RESTRICTED["id in a good row"], KEY.encode())}
    assert found_in(left_behind(lake / "features"), anna) and found_in(left_behind(lake / "silver"), anna)

    canaries = SECRETS | RESTRICTED | TYPED
    open_files = [(p, c) for p, c in left_behind(lake) if (lake / "restricted") not in p.parents]
    logs = list(left_behind(events))
    assert {"silver", "quarantine", "features", "ops"} <= {p.relative_to(lake).parts[0] for p, _ in open_files}
    assert len(open_files) > 50 and b"SparkListenerSQLExecutionStart" in b"".join(c for _, c in logs)
    assert found_in(iter([*open_files, *logs, (tmp_path, told)]), canaries) == set()
    assert found_in(left_behind(lake / "restricted"), SECRETS | TYPED) == set()

    # Nothing is lost: every rejected row is found again by its digest.
    kept = pl.read_delta(str(lake / "restricted" / "raw_rows")).select("table", "source", "digest")
    for table, rejected in {"order_lines": 1, "users": 1, "persons": 1}.items():
        rows = pl.read_delta(str(lake / "quarantine" / table))
        assert rows.height == rejected
        assert set(rows["raw"]) == set(kept.filter(pl.col("table") == table)["digest"])
    texts = pl.read_delta(str(lake / "silver" / "events")).sort("event_id")
    assert texts["review_text"][0] == "Lovely. Write to [email]!" and texts["query"][1] == "tea, call [phone]"
