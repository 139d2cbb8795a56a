"""What the suite needs of a machine: Java and memory.

Imports nothing but the standard library: scripts/submit.sh runs it before anything is installed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from promo_spark.errors import RequirementError

MINIMUM_JAVA = 17
NEEDED_MODULE = "jdk.incubator.vector"  # Spark's launcher asks for it; trimmed runtimes lack it
LEAST_DRIVER_MEMORY = 1 << 30
DRIVER_SHARE = 0.7  # of the machine's memory; the rest is for Python workers and the system

_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_INSTALLED = (
    "/usr/lib/jvm/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk@*",
    "/usr/local/opt/openjdk@*",
)
_INSTALL = {
    "debian": "sudo apt-get install openjdk-17-jre-headless   (or default-jre-headless)",
    "fedora": "sudo dnf install java-21-openjdk-headless",
    "rhel": "sudo dnf install java-17-openjdk-headless",
    "suse": "sudo zypper install java-17-openjdk-headless",
    "arch": "sudo pacman -S jre17-openjdk-headless",
    "alpine": "apk add openjdk17-jre-headless",
    "darwin": "brew install openjdk@17",
    "windows": "wsl --install   (then run this inside WSL; Spark needs a POSIX shell)",
}


def java_major(text: str) -> int | None:
    """The feature release in a version such as 17.0.15, 21-ea or 1.8.0_392; None if there is none."""
    found = re.search(r"(?<![\d.])(?:1\.)?(\d+)(?=$|[^\d])", text)
    return int(found.group(1)) if found else None


def java_home(environ: Mapping[str, str], installed: Iterable[str] = _INSTALLED) -> Path:
    """The folder of a usable Java: JAVA_HOME, else `java` on PATH, else the usual install folders.

    Raises RequirementError with what was found and the command that installs one on this system.
    """
    refused = []
    for home in _candidates(environ, installed):
        problem = java_problem(home)
        if problem is None:
            return home
        refused.append(f"{home}: {problem}")
    found = "; ".join(refused) if refused else "none was found"
    raise RequirementError(
        f"Spark needs Java {MINIMUM_JAVA} or newer ({found}).\n"
        f"Install it:  {install_command()}\n"
        "or set JAVA_HOME to the folder of one that is installed."
    )


def java_problem(home: Path) -> str | None:
    """Why Spark cannot run on the Java in this folder; None if it can."""
    if not (home / "bin" / "java").is_file():
        return "no bin/java"
    release = home / "release"  # read instead of starting a JVM: this is on the way of every call
    text = release.read_text(encoding="utf-8", errors="replace") if release.is_file() else ""
    version = re.search(r'^JAVA_VERSION="([^"]*)"', text, re.MULTILINE)
    major = java_major(version.group(1)) if version else java_major(_asked_version(home))
    if major is None:
        return "does not tell its version"
    if major < MINIMUM_JAVA:
        return f"Java {major} is too old"
    modules = re.search(r'^MODULES="([^"]*)"', text, re.MULTILINE)
    if modules and NEEDED_MODULE not in modules.group(1).split():
        return f"Java {major} without the module {NEEDED_MODULE}; take a full runtime"
    return None


def install_command(system: str | None = None, os_release: str | None = None) -> str:
    """The command that installs Java on this system, or on the one described."""
    system = (system or platform.system()).lower()
    if system != "linux":
        return _INSTALL.get(system, "a Java 17 runtime of your system")
    return next(
        (_INSTALL[name] for name in _distributions(os_release) if name in _INSTALL),
        "the package of a headless Java 17 runtime of your distribution",
    )


def memory_bytes(text: str) -> int:
    """Bytes in a JVM memory size such as 512m or 8g."""
    found = re.fullmatch(r"([1-9]\d*)([kmgt])", text.strip().lower())
    if not found:
        raise RequirementError(f"{text!r} is not a memory size; write it as 512m or 8g")
    return int(found.group(1)) * _UNITS[found.group(2)]


def machine_memory(
    cgroups: Iterable[Path] = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")),
) -> int:
    """Bytes this process may use: the machine's memory or its container's limit, whichever is less."""
    amounts = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for file in cgroups:
        text = file.read_text(encoding="ascii").strip() if file.is_file() else ""
        if text.isdigit():
            amounts.append(int(text))
    return min(amounts)


def local_driver_memory(wanted: str, available: int) -> str:
    """The heap to give a local driver: what is wanted, or as much as this machine can spare.

    Raises RequirementError where even the least that works is more than that.
    """
    spare = int(available * DRIVER_SHARE)
    if memory_bytes(wanted) <= spare:
        return wanted
    if spare < LEAST_DRIVER_MEMORY:
        raise RequirementError(
            f"this machine has {available >> 20} MB of memory; a job in local mode needs at least "
            f"{int(LEAST_DRIVER_MEMORY / DRIVER_SHARE) >> 20} MB. Run it on a larger machine or on a cluster "
            "(--env standalone, yarn, kubernetes)."
        )
    return f"{spare >> 20}m"


def installed_java() -> Path:
    """The folder of a usable Java: on Debian and Ubuntu as root one is installed where there is none, saying so."""
    try:
        return java_home(os.environ)
    except RequirementError as missing:
        apt = shutil.which("apt-get")
        if not (apt and "debian" in _distributions() and os.geteuid() == 0):
            raise
        print("No Java 17 or newer here: installing the distribution's headless runtime", file=sys.stderr)
        _apt_install(apt, missing)
        return java_home(os.environ)


def _apt_install(apt: str, missing: RequirementError) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    told = ""
    for arguments in (["update"], ["openjdk-17-jre-headless"], ["default-jre-headless"]):
        command = arguments if arguments == ["update"] else ["install", "-y", "--no-install-recommends", *arguments]
        ran = subprocess.run([apt, "-q", *command], env=environment, capture_output=True, text=True, check=False)
        told += ran.stdout + ran.stderr
        if ran.returncode == 0 and arguments != ["update"]:
            return
    raise RequirementError(f"{missing}\napt-get could not install it:\n{told.strip()[-2000:]}")


def _candidates(environ: Mapping[str, str], installed: Iterable[str]) -> list[Path]:
    homes = []
    if environ.get("JAVA_HOME"):
        homes.append(Path(environ["JAVA_HOME"]))
    on_path = shutil.which("java", path=environ.get("PATH", ""))
    if on_path:
        homes.append(_home_of(Path(on_path)))
    known = [home for pattern in installed for home in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True)]
    return homes + [home for home in known if (home / "bin" / "java").is_file()]


def _home_of(java: Path) -> Path:
    """The folder a `java` command belongs to; a version manager's shim has to be asked."""
    home = java.resolve().parent.parent
    if (home / "release").is_file():
        return home
    told = _output([str(java), "-XshowSettings:properties", "-version"])
    found = re.search(r"java\.home = (.+)", told)
    return Path(found.group(1).strip()) if found else home


def _asked_version(home: Path) -> str:
    found = re.search(r'version "([^"]+)"', _output([str(home / "bin" / "java"), "-version"]))
    return found.group(1) if found else ""


def _output(command: list[str]) -> str:
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout + ran.stderr


def _distributions(os_release: str | None = None) -> list[str]:
    """This Linux's ID and what it is like, nearest first."""
    if os_release is None:
        file = Path("/etc/os-release")
        os_release = file.read_text(encoding="utf-8") if file.is_file() else ""
    found = dict(re.findall(r'^(ID|ID_LIKE)="?([^"\n]*)"?$', os_release, re.MULTILINE))
    return f"{found.get('ID', '')} {found.get('ID_LIKE', '')}".split()


if __name__ == "__main__":
    try:
        print(installed_java())
    except RequirementError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
