"""What all jobs must agree on of the shop and of its users."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from promo_spark.contracts.currencies import CURRENCIES, storable
from promo_spark.secret_references import REFERENCE
from promo_spark.settings.sections import SameResult, SecretReference, Section, Share, TimeZone, one_of


def _countries_with_holidays(countries: list[str]) -> list[str]:
    if countries:
        from holidays.registry import COUNTRIES  # a list of names; only where one is needed

        unknown = [c for c in countries if not any(c in names for names in COUNTRIES.values())]
        if unknown:
            raise ValueError(
                f"{', '.join(unknown)} has no known holidays; write two-letter ISO 3166 codes, such as CN or US"
            )
    return countries


class PrivacySettings(Section):
    """Whether ids become pseudonyms, with which key, and whom the suite may profile."""

    pseudonymise: bool
    key_secret: SecretReference
    encryption_key_secret: Annotated[str, Field(pattern=rf"^$|{REFERENCE}"), SameResult()]
    suppression_key_secret: Annotated[SecretReference, SameResult()]  # it is asked for once somebody was erased
    unknown_profiling_consent: Literal["eligible", "excluded"]


class BusinessSettings(Section):
    """What all jobs must agree on."""

    timezone: TimeZone
    currency: Annotated[str, one_of("currency", CURRENCIES), AfterValidator(storable)]
    excluded_departments: list[str]
    excluded_categories: list[str]
    assumed_margin: Share
    assumed_margin_by_department: dict[str, Share]
    holiday_countries: Annotated[
        list[Annotated[str, Field(pattern="^[A-Z]{2}$")]], AfterValidator(_countries_with_holidays)
    ]
    holiday_years: Annotated[int, Field(ge=0, le=50)]
    privacy: PrivacySettings
