"""What all jobs must agree on of the shop and of its users."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from promo_spark.settings.sections import SecretReference, Section, Share, TimeZone, one_of

# ISO 4217: what is legal tender somewhere, funds and metals left out.
CURRENCIES = re.findall(
    "[A-Z]{3}",
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL "
    "HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD "
    "MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG "
    "QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD "
    "TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ",
)


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
    unknown_profiling_consent: Literal["eligible", "excluded"]


class BusinessSettings(Section):
    """What all jobs must agree on."""

    timezone: TimeZone
    currency: Annotated[str, one_of("currency", CURRENCIES)]
    excluded_departments: list[str]
    excluded_categories: list[str]
    assumed_margin: Share
    assumed_margin_by_department: dict[str, Share]
    holiday_countries: Annotated[
        list[Annotated[str, Field(pattern="^[A-Z]{2}$")]], AfterValidator(_countries_with_holidays)
    ]
    holiday_years: Annotated[int, Field(ge=0, le=50)]
    privacy: PrivacySettings
