"""What is sent along is complete and the same for the same content."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from promo_spark.settings import Settings, load, validated
from promo_spark.submission import shipment


def package(folder: Path, text: str = "x = 1\n") -> dict[str, Path]:
    room = folder / "shop" / "room"
    room.mkdir(parents=True)
    (room / "__init__.py").write_text(text)
    (folder / "shop" / "py.typed").write_text("")
    (room / "__pycache__").mkdir()
    (room / "__pycache__" / "old.pyc").write_bytes(b"old")
    return {"shop": folder / "shop"}


def test_equal_sources_give_equal_bytes_whenever_and_wherever_they_are_zipped(tmp_path: Path) -> None:
    one, two = package(tmp_path / "a"), package(tmp_path / "b")
    os.utime(two["shop"] / "py.typed", (1, 1))
    zips = [shipment.package_zip(source, tmp_path / f"build{n}") for n, source in enumerate((one, two))]
    assert zips[0].name == zips[1].name
    assert zips[0].read_bytes() == zips[1].read_bytes()
    assert zipfile.ZipFile(zips[0]).namelist() == ["shop/py.typed", "shop/room/__init__.py"]


def test_changed_sources_give_another_file_beside_the_old_one(tmp_path: Path) -> None:
    old = shipment.package_zip(package(tmp_path / "a"), tmp_path / "build")
    new = shipment.package_zip(package(tmp_path / "b", "x = 2\n"), tmp_path / "build")
    assert old != new and sorted((tmp_path / "build").iterdir()) == sorted([old, new])


def test_the_package_runs_from_its_zip(tmp_path: Path) -> None:
    zipped = shipment.package_zip(build=tmp_path)
    program = (
        "import promo_spark, promo_spark.settings as s; assert '.zip' in s.__file__; "
        "from promo_spark.runtime.registry import all_jobs; print(*all_jobs())"
    )
    environ = {**os.environ, "PYTHONPATH": str(zipped)}
    ran = subprocess.run([sys.executable, "-c", program], env=environ, cwd=tmp_path, capture_output=True, text=True)
    assert "baskets" in ran.stdout.split(), ran.stderr


def test_settings_survive_the_way_to_the_driver(tmp_path: Path, settings: Settings) -> None:
    changed = load("demo", ["promote.daily_budget=12.5", "lake.root=/data/läden"])
    file = shipment.settings_file(changed, tmp_path)
    assert validated(json.loads(file.read_text(encoding="utf-8"))) == changed
    assert shipment.settings_file(changed, tmp_path) == file != shipment.settings_file(settings, tmp_path)
    assert sorted(p.name.split("-")[0] for p in tmp_path.iterdir()) == ["settings", "settings"]
