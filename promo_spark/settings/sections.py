"""The base of all sections, and the kinds of value they have."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from promo_spark.secret_references import REFERENCE

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
Days = Annotated[int, Field(gt=0, le=3660)]
Money = Annotated[float, Field(ge=0)]
Memory = Annotated[str, Field(pattern="^[1-9][0-9]*[kmgt]$")]
Identifier = Annotated[str, Field(pattern=r"^[^\W\d][\w$]*$")]
SecretReference = Annotated[str, Field(pattern=REFERENCE)]  # of keys that end in _secret


def _spark_time_pattern(text: str) -> str:
    if not re.fullmatch(r"('[^']*'|[GyMLdDEFaHhKkmsSVzOXxZ]|[^A-Za-z'])+", text):
        raise ValueError("write a pattern as Spark does, such as yyyy-MM-dd HH:mm:ss, other letters between ' and '")
    return text


TimePattern = Annotated[str, AfterValidator(_spark_time_pattern)]
Delimiter = Annotated[str, Field(min_length=1, pattern=r'^[^"\r\n]+$')]
Encoding = Literal["UTF-8", "GB18030", "Big5", "Shift_JIS", "EUC-KR", "ISO-8859-1", "windows-1252"]


class Section(BaseModel):
    """Base of all sections: frozen, no unknown keys, no silent conversion of types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def identity(self) -> dict[str, Any]:
        """What a result depends on, as plain values."""
        return self.model_dump(mode="json")
