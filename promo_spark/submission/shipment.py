"""What a job is sent off with: its resolved settings, and for a cluster the package and the environment.

Files in build/ carry a digest of their content in their name: what is there already is not made again,
and two submissions never disturb each other.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from promo_spark.errors import RequirementError
from promo_spark.installation import BUNDLE, build_folder, checkout
from promo_spark.settings import Settings

# The cluster brings Spark's JARs itself; the package travels as a zip, so that it is always today's.
_NOT_SHIPPED = ("*/pyspark/jars/*", "*/__editable__*", "*/__pycache__/*")


def settings_file(settings: Settings, build: Path | None = None) -> Path:
    """The resolved settings as JSON. Secrets in it are references still, as in conf/."""
    text = json.dumps(settings.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False)
    return _made((build or build_folder()) / f"settings-{_digest(text.encode())}.json", lambda path: _write(path, text))


def package_folders() -> dict[str, Path]:
    """What the package consists of: its place in a zip or an installation → the folder that holds it."""
    package = Path(__file__).resolve().parents[1]
    bundled = {f"{package.name}/{BUNDLE}/{name}": package.parent / name for name in ("jobs", "conf")}
    return {package.name: package, **(bundled if checkout() else {})}


def package_zip(folders: Mapping[str, Path] | None = None, build: Path | None = None) -> Path:
    """The package, its jobs and settings for --py-files. Equal sources give equal bytes: order, times, modes are fixed.

    See `package_folders` for the folders.
    """
    folders, build = folders or package_folders(), build or build_folder()
    files = {
        f"{place}/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for place, folder in folders.items()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    digest = _digest(*(part for name in sorted(files) for part in (name.encode(), files[name])))

    def zipped(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:  # stored: compression would depend on zlib's version
            for name in sorted(files):
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name])

    return _made(build / f"{next(iter(folders))}-{digest}.zip", zipped)


def environment_archive(build: Path | None = None, make: bool = True) -> Path:
    """This virtual environment, relocatable, for --archives. Takes minutes when its packages have changed.

    Without `make`, only where it lies or would lie. Raises RequirementError if it cannot be packed.
    """
    packages = sorted(f"{d.name}=={d.version}" for d in importlib.metadata.distributions())
    machine = f"{platform.python_version()} {platform.machine()} {platform.system()}"
    path = (build or build_folder()) / f"environment-{_digest(machine.encode(), *map(str.encode, packages))}.tar.gz"
    return _made(path, _packed) if make else path


def _packed(path: Path) -> None:
    print("Packing the Python environment for the cluster (once per set of packages)", file=sys.stderr)
    if importlib.util.find_spec("venv_pack") is None:
        _install_venv_pack()
    from venv_pack import Env, VenvPackException  # type: ignore[import-untyped]  # it ships no types

    try:
        packing = Env(sys.prefix)
        for pattern in _NOT_SHIPPED:
            packing = packing.exclude(pattern)
        packing.pack(output=str(path), format="tar.gz", force=True)
    except VenvPackException as error:
        raise RequirementError(f"spark.ship_environment: {sys.prefix} cannot be packed: {error}") from None


def _install_venv_pack() -> None:
    wanted = next(r for r in importlib.metadata.requires("promo-spark") or [] if r.startswith("venv-pack"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", wanted.split(";")[0].strip()]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise RequirementError(f"spark.ship_environment needs venv-pack2; pip said:\n{ran.stderr.strip()[-2000:]}")
    importlib.invalidate_caches()


def _made(path: Path, make: Callable[[Path], None]) -> Path:
    """The file, made where it is missing: beside its place, then renamed, so that no half of it is ever seen."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".making-") as folder:
            unfinished = Path(folder) / path.name
            make(unfinished)
            unfinished.replace(path)
    return path


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:12]
