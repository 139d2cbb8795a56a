"""One lake, one key: whoever is behind a pseudonym stays the same user, and a refused delivery leaves no trace."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from delta.tables import DeltaTable

from jobs.ingest import run as ingest
from promo_spark.contracts.ops import IdKey
from promo_spark.contracts.restricted import Identities
from promo_spark.contracts.silver import QUARANTINE, Events, Users
from promo_spark.errors import SettingsError, SourceError
from promo_spark.runtime.job import Context
from promo_spark.sources.persons.pseudonyms import key_id
from promo_spark.storage.lake import Lake
from tests.jobs.delivered_files import DATE

KEY, OTHER = "a-key-of-thirty-two-bytes-or-more", "another-key-of-thirty-two-bytes-or-more"
RAW = "business.privacy.pseudonymise=false"

Load = Callable[..., Context[Any]]


@pytest.fixture
def load(run_job: Callable[..., Context[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Takes in events alone, as JSON lines: there are no order lines to tell how the lake's ids were made."""

    def events(*overrides: str, ids: tuple[str, ...] = ("ann", "ben")) -> Context[Any]:
        monkeypatch.setenv("KEY_A", KEY)
        monkeypatch.setenv("KEY_B", OTHER)
        rows = [{"who": i, "what": "view", "when": f"2024-06-13T10:00:{n:02}"} for n, i in enumerate(ids)]
        (tmp_path / "events.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        columns = '{user_id="who",event_type="what",ts="when"}'
        source = f'ingest.sources.events={{path="{tmp_path}/events.jsonl",format="json",columns={columns}}}'
        return run_job(ingest, DATE, 'business.privacy.key_secret="env:KEY_A"', source, *overrides)

    return events


def users(ctx: Context[Any]) -> set[str]:
    return {row.user_id for row in ctx.lake.read(Events).collect()}


def test_raw_ids_and_pseudonyms_are_never_mixed_not_even_of_events_alone(load: Load, tmp_path: Path) -> None:
    """N02: raw ids first and pseudonyms later are refused, in a lake of the version before, too."""
    ctx = load(RAW)
    assert users(ctx) == {"ann", "ben"} and [r.key_id for r in ctx.lake.read(IdKey).collect()] == ["raw ids"]
    assert not (tmp_path / "lake" / "restricted").exists()
    with pytest.raises(SettingsError, match=r"holds ids as the shop has them, but business\.privacy\.pseudonymise is"):
        load()
    shutil.rmtree(tmp_path / "lake" / "ops" / "id_key")  # how a lake of the version before looks
    with pytest.raises(SettingsError, match="holds ids as the shop has them"):
        load()
    assert users(ctx) == {"ann", "ben"} and not (tmp_path / "lake" / "restricted").exists()


def test_another_key_is_refused_though_nobody_knows_who_is_who_any_more(load: Load, lake: Lake, tmp_path: Path) -> None:
    """N02: the lake keeps the fingerprint of its key: 2 users stay 2, whatever became of restricted.identities."""
    ctx = load()
    assert [r.key_id for r in ctx.lake.read(IdKey).collect()] == [key_id(KEY.encode())]
    identities = DeltaTable.forPath(lake.spark, lake.path(Identities))
    assert {r.raw_id for r in identities.toDF().collect()} == {"ann", "ben"}
    before = users(ctx)
    identities.delete()
    for wrong, message in (('business.privacy.key_secret="env:KEY_B"', "leads to another key"), (RAW, "is false")):
        with pytest.raises(SettingsError, match=message):
            load(wrong)
    assert users(load()) == before and len(before) == 2
    identities.delete()
    shutil.rmtree(tmp_path / "lake" / "ops" / "id_key")
    with pytest.raises(SettingsError, match=r"neither ops\.id_key nor restricted\.identities tells of which key"):
        load('business.privacy.key_secret="env:KEY_B"')


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        (["ingest.gate.judged_from_rows=1", "ingest.gate.max_rejected_share=0.1"], SourceError),  # one of three is bad
        (['ingest.policies.no_such_check="off"'], SettingsError),
    ],
)
def test_a_refused_delivery_leaves_nothing_in_restricted(
    load: Load, tmp_path: Path, overrides: list[str], error: type[Exception]
) -> None:
    """N03: neither who is behind a pseudonym nor a raw row, not even in an older version of a table."""
    with pytest.raises(error):
        load(*overrides, 'ingest.test_users=["qa"]', ids=("ann", "ben", "qa") if error is SourceError else ("ann",))
    assert not (tmp_path / "lake" / "restricted").exists() and not (tmp_path / "lake" / "silver").exists()


def test_an_id_with_a_control_character_is_rejected_by_name(load: Load) -> None:
    """B05: a line break, an escape sequence; a tab around an id is one too, letters of other scripts are none."""
    ctx = load(RAW, ids=("ann\nben", "ben\x1b[2J", "\tann", "Jürgen 李", "ann"))
    assert users(ctx) == {"Jürgen 李", "ann"}
    assert ctx.sources["events"].reasons == {"control_character_in_id": 3}
    raw = {row.raw for row in ctx.lake.read(QUARANTINE[Events]).collect()}
    assert any("ann\\nben" in line for line in raw) and len(raw) == 3
    assert not ctx.lake.exists(Users)
    with pytest.raises(
        SettingsError, match=r"ingest\.policies\.control_character_in_id is warn, but .* only be reject"
    ):
        load(RAW, "ingest.policies.control_character_in_id=warn")
