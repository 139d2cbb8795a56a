"""The documents say what the code does: generated pages are fresh, named files and commands exist."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

from promo_spark.contracts.decisions import Promotions
from promo_spark.contracts.silver import SILVER
from promo_spark.runtime.registry import all_commands, all_jobs
from promo_spark.settings import environments, load, mappings, validated
from promo_spark.settings.ingest import ColumnCleaning, GateLimits
from promo_spark.sources.checks.own_checks import own_check
from promo_spark.sources.cleaning import plans as cleaning
from promo_spark.sources.mapping.mappings import checked_mapping, mapped_table

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_generated_pages_are_fresh() -> None:
    """O09 (documentation): tables and lineage pages are what contracts and declarations say."""
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs.py", "--check"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_file_a_document_names_is_there(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    linked = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    coded = re.findall(r"`((?:promo_spark|scripts|conf|docs|tests|benchmarks)/[\w./-]*)`", text)
    missing = [link for link in linked if not (document.parent / link).exists()]
    missing += [path for path in coded if not (ROOT / path).exists()]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: p.name)
def test_every_submit_line_names_a_job_an_environment_and_settings_that_exist(document: Path) -> None:
    lines = re.findall(r"scripts/submit\.sh ([^`\n]*)", document.read_text(encoding="utf-8"))
    for line in lines:
        words = line.split("#")[0].split()
        if not words or not re.fullmatch("[a-z]+", words[0]):
            continue  # a placeholder such as JOB
        assert words[0] in {**all_jobs(), **all_commands()}, line
        for option, value in itertools.pairwise(words):
            if option == "--env" and value.islower() and value != "shop":  # docs/sources.md has the reader write shop
                assert value in environments(), line
            if option == "--set" and "=" in value:
                load(None, [value])


def test_the_readme_shows_columns_the_promotions_table_has() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    [header] = re.findall(r"^\| (user_id[^\n]*) \|$", text, flags=re.MULTILINE)
    assert {name.strip() for name in header.split("|")} <= set(Promotions.columns())


def test_the_mapping_in_the_sources_page_is_valid() -> None:
    [example] = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "sources.md").read_text(encoding="utf-8"), re.DOTALL)
    values = load().model_dump(mode="json")
    for section, keys in tomllib.loads(example).items():
        values[section].update(keys)
    sources = validated(values).ingest.sources
    assert set(sources) == {"products", "web_orders", "till", "users"}
    for name, source in sources.items():
        checked_mapping(name, mapped_table(name, source), source)


def test_the_sources_page_names_every_ready_mapping() -> None:
    text = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    assert all(f"| `{name}` |" in text for name in mappings())


def test_the_quality_page_tells_every_check_with_its_meaning_and_criticality() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / "docs" / "quality.md").read_text("utf-8"), re.MULTILINE))
    for table in SILVER:
        for check in table.source_checks:
            meaning, criticality = told[check.name].split(" | ")
            assert meaning == check.meaning
            of_table = {kind for kind, tables in re.findall(r"(\w+) \(([^)]*)\)", criticality) if table.name in tables}
            assert (of_table or {criticality}) == {check.criticality}, f"{check.name} of {table.full_name()}"


def test_every_limit_policy_and_own_check_of_the_quality_page_is_a_setting() -> None:
    text = (ROOT / "docs" / "quality.md").read_text(encoding="utf-8")
    assert all(f"`{key}`" in text for key in (*GateLimits.model_fields, *ColumnCleaning.model_fields))
    values = load().model_dump(mode="json")
    for example in re.findall(r"```toml\n(.*?)```", text, re.DOTALL):
        values["ingest"] |= tomllib.loads(example)["ingest"]
    ingest = validated(values).ingest
    [own] = ingest.checks
    assert own_check(**own.model_dump())[1].literal == ("s1", "s2")
    assert {t.name: sorted(p.columns) for t, p in cleaning.plans(ingest).items()} == {
        "products": ["list_price"],
        "inventory": ["on_order"],
        "order_lines": ["quantity"],
        "users": [],
    }


def test_the_glossary_tells_what_the_short_words_mean() -> None:
    """O11: the abbreviations of the field that users meet have their meaning on the page of the architecture."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| ([A-Za-z, ]+) \| (\S.*) \|$", page, re.MULTILINE))
    for word in ("AR, VR", "CV", "CPS", "CRM", "NLP", "RFM", "SEM", "holdout"):
        assert len(told[word]) > 20, word
