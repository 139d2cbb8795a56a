"""Files that hold what is known of a person: for who asked, and nobody else."""

from __future__ import annotations

import tempfile
from pathlib import Path

from promo_spark.errors import RequirementError


def write_private(path: str, text: str) -> None:
    """Writes a file of this machine, whole or not at all, that its owner alone may read.

    Raises RequirementError where it cannot be written.
    """
    whole = Path(path)
    try:
        with tempfile.TemporaryDirectory(dir=whole.parent, prefix=".access-") as folder:  # its owner's alone
            part = Path(folder, whole.name)
            part.touch(mode=0o600)
            part.write_text(text, encoding="utf-8")
            part.replace(whole)
    except OSError as error:
        raise RequirementError(
            f"{path} cannot be written ({error.strerror}): name a folder that is there and yours"
        ) from error
