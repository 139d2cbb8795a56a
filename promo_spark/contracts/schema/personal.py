"""What is personal in a table, by kind; and how an e-mail address or a phone number looks in free text.

The kind decides where a column may stand and what ingest does to it:

    IDENTIFIER  who a row is about: a keyed pseudonym, but in restricted tables and where pseudonyms are off
    SHARED      what several persons may share, such as a device or an address: a digest in its place, keyed where ids
                are pseudonyms, so that who shares it can be told and nobody can read it
    ATTRIBUTE   what is known of a person, coarse: bands, region, answers as declared
    FREE_TEXT   what a person typed: e-mail addresses and phone numbers in it are masked at ingestion
    DIRECT      name, e-mail, phone, address, birth date, the shop's own id: in restricted tables only

A personal column is never a partition, and Delta keeps no smallest and largest value of it.
"""

from __future__ import annotations

import re
from enum import Enum

RESTRICTED = "restricted"  # the layer of direct identifiers: a folder or schema with access rights of its own


class Personal(Enum):
    """Which kind of personal data a column holds."""

    IDENTIFIER = "identifier"
    SHARED = "shared"
    ATTRIBUTE = "attribute"
    FREE_TEXT = "free text"
    DIRECT = "direct"


# Read alike by Java and Python. Each starts only where a word starts and repeats a group a bounded number of
# times, so that a field of megabytes costs one pass and no stack.
MASKS = r"\[(?:email|phone)\]"  # what stands in a text where something personal stood
EMAIL = r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+){1,8}"
PHONE = r"(?<![A-Za-z0-9_.,])\+?\(?[0-9](?:[ ./()-]{0,2}[0-9]){8,14}(?![A-Za-z0-9_])"
_MARKED_PHONE = r"\+\(?[0-9](?:[ ./()-]{0,2}[0-9]){7,14}"


def redacted(message: str) -> str:
    """An error message without e-mail addresses and international phone numbers; other digits may be paths."""
    return re.sub(_MARKED_PHONE, "[phone]", re.sub(EMAIL, "[email]", message))
