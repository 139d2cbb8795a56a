"""What became of the rows of a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class SourceCounts:
    """Rows of one source: rows_in = accepted + quarantined + blank, and the rejected by reason."""

    rows_in: int
    accepted: int
    quarantined: int
    blank: int
    reasons: Mapping[str, int]

    def balanced(self) -> bool:
        return self.rows_in == self.accepted + self.quarantined + self.blank
