"""What a machine lacks is said with what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from promo_spark.errors import RequirementError
from promo_spark.submission import requirements

FULL = 'JAVA_VERSION="{}"\nMODULES="java.base jdk.incubator.vector"\n'


def java(folder: Path, release: str, command: str = "exit 1") -> Path:
    """A Java as an installation looks like: bin/java and the file `release`."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text(f"#!/bin/sh\n{command}\n")
    (folder / "bin" / "java").chmod(0o755)
    if release:
        (folder / "release").write_text(release)
    return folder


@pytest.mark.parametrize(
    ("text", "major"),
    [("17.0.15", 17), ("1.8.0_392", 8), ("21", 21), ("21-ea", 21), ("25.0.3+9-LTS", 25), ("11.0.2", 11), ("", None)],
)
def test_the_feature_release_is_read_from_old_and_new_version_texts(text: str, major: int | None) -> None:
    assert requirements.java_major(text) == major


def test_java_home_comes_first_then_the_path_then_what_is_installed(tmp_path: Path) -> None:
    named, on_path, known = (java(tmp_path / n, FULL.format("17.0.1")) for n in ("named", "on_path", "jvm/known"))
    path = str(on_path / "bin")
    installed = [f"{tmp_path}/jvm/*"]
    assert requirements.java_home({"JAVA_HOME": str(named), "PATH": path}, installed) == named
    assert requirements.java_home({"PATH": path}, installed) == on_path
    assert requirements.java_home({"PATH": ""}, installed) == known


def test_an_old_java_gives_way_to_a_newer_one_that_is_installed(tmp_path: Path) -> None:
    old, new = java(tmp_path / "old", FULL.format("1.8.0_392")), java(tmp_path / "jvm/new", FULL.format("21"))
    assert requirements.java_home({"JAVA_HOME": str(old)}, [f"{tmp_path}/jvm/*"]) == new


def test_without_a_usable_java_the_error_says_what_was_found_and_how_to_install_one(tmp_path: Path) -> None:
    old = java(tmp_path / "old", FULL.format("1.8.0_392"))
    trimmed = java(tmp_path / "trimmed", 'JAVA_VERSION="21.0.1"\nMODULES="java.base"\n')
    environ = {"JAVA_HOME": str(old), "PATH": str(trimmed / "bin")}
    with pytest.raises(RequirementError) as error:
        requirements.java_home(environ, [])
    assert "Java 8 is too old" in str(error.value)
    assert "Java 21 without the module jdk.incubator.vector" in str(error.value)
    assert requirements.install_command() in str(error.value)
    with pytest.raises(RequirementError, match="none was found"):
        requirements.java_home({"PATH": ""}, [])


def test_a_shim_on_the_path_is_asked_where_its_java_is(tmp_path: Path) -> None:
    real = java(tmp_path / "real", FULL.format("17.0.1"))
    shim = java(tmp_path / "shim", "", f'echo "    java.home = {real}" >&2')
    assert requirements.java_home({"PATH": str(shim / "bin")}, []) == real


def test_a_java_without_a_release_file_is_asked_for_its_version(tmp_path: Path) -> None:
    assert requirements.java_problem(java(tmp_path / "a", "", "echo 'openjdk version \"17.0.2\"' >&2")) is None
    assert requirements.java_problem(java(tmp_path / "b", "", "echo 'java version \"1.8.0_1\"' >&2")) is not None
    assert requirements.java_problem(java(tmp_path / "c", "", "exit 1")) == "does not tell its version"


@pytest.mark.parametrize(
    ("system", "os_release", "command"),
    [
        ("Darwin", None, "brew install openjdk@17"),
        ("Linux", "ID=ubuntu\nID_LIKE=debian\n", "sudo apt-get install openjdk-17-jre-headless"),
        ("Linux", "ID=fedora\n", "sudo dnf install java-21-openjdk-headless"),
        ("Linux", 'ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install java-17-openjdk-headless"),
        ("Linux", "ID=alpine\n", "apk add openjdk17-jre-headless"),
        ("Linux", "ID=unheard-of\n", "your distribution"),
    ],
)
def test_the_install_command_is_that_of_the_system_at_hand(system: str, os_release: str | None, command: str) -> None:
    assert command in requirements.install_command(system, os_release)


def test_memory_sizes_are_read_as_the_jvm_reads_them() -> None:
    assert [requirements.memory_bytes(t) for t in ("512m", "8g", "1K", "2T")] == [1 << 29, 1 << 33, 1 << 10, 1 << 41]
    for wrong in ("8", "8 gb", "g", "0g", "-1g"):
        with pytest.raises(RequirementError, match=re.escape(repr(wrong))):
            requirements.memory_bytes(wrong)


def test_a_container_limit_below_the_machine_memory_counts(tmp_path: Path) -> None:
    limit, unlimited = tmp_path / "limit", tmp_path / "unlimited"
    limit.write_text("536870912\n")
    unlimited.write_text("max\n")
    assert requirements.machine_memory([unlimited, limit, tmp_path / "none"]) == 1 << 29
    assert requirements.machine_memory([unlimited]) > 1 << 29


def test_a_driver_gets_no_more_memory_than_the_machine_can_spare() -> None:
    gb = 1 << 30
    assert requirements.local_driver_memory("8g", 16 * gb) == "8g"  # 70% of 16 GB is 11.2 GB
    assert requirements.local_driver_memory("8g", 8 * gb) == "5734m"  # 0.7 × 8192 MB = 5734.4 MB
    with pytest.raises(RequirementError, match="this machine has 1024 MB"):  # 717 MB would be left, 1 GB is needed
        requirements.local_driver_memory("8g", gb)
