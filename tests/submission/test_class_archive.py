"""The class archive is a convenience that can never stop a job."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from promo_spark.submission import class_archive, requirements


def test_no_archive_or_a_failed_one_means_no_options(tmp_path: Path) -> None:
    assert class_archive.reading(tmp_path / "none.jsa") == []
    (tmp_path / "empty.jsa").touch()
    assert class_archive.reading(tmp_path / "empty.jsa") == []


def test_a_corrupt_archive_neither_stops_the_jvm_nor_makes_it_talk(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsa"
    broken.write_bytes(b"not an archive" * 1000)
    java = requirements.java_home(os.environ) / "bin" / "java"
    plain = subprocess.run([java, "-version"], capture_output=True, text=True)
    ran = subprocess.run([java, *class_archive.reading(broken), "-version"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", plain.stderr.replace(", sharing", ""))


def test_the_archive_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    archive = tmp_path / "cache" / "classes.jsa"

    def training(options: list[str]) -> list[str]:
        written = options[0].partition("=")[2]
        assert Path(written).parent != archive.parent  # written elsewhere, then renamed
        return ["sh", "-c", f"echo classes > {written}"]

    assert class_archive.make(archive, training, os.environ)
    assert archive.read_text() == "classes\n"
    assert list(archive.parent.iterdir()) == [archive]


def test_a_failed_training_is_not_repeated_at_every_start(tmp_path: Path) -> None:
    archive = tmp_path / "classes.jsa"
    assert not class_archive.make(archive, lambda _options: ["false"], os.environ)
    assert archive.exists() and class_archive.reading(archive) == []


def test_another_java_spark_or_jar_has_another_archive(tmp_path: Path) -> None:
    (tmp_path / "java").mkdir()
    (tmp_path / "java" / "release").write_text('JAVA_VERSION="17"')
    paths = {class_archive.archive_path(tmp_path / "java", "4.2.0", ["a.jar"], tmp_path)}
    paths.add(class_archive.archive_path(tmp_path / "java", "4.2.1", ["a.jar"], tmp_path))
    paths.add(class_archive.archive_path(tmp_path / "java", "4.2.0", ["b.jar"], tmp_path))
    (tmp_path / "java" / "release").write_text('JAVA_VERSION="21"')
    paths.add(class_archive.archive_path(tmp_path / "java", "4.2.0", ["a.jar"], tmp_path))
    assert len(paths) == 4
