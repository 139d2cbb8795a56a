"""The currencies of ISO 4217, and how many digits each has after the decimal point.

No import of Spark: settings are judged before it starts.
"""

from __future__ import annotations

import re

# What is legal tender somewhere, funds and metals left out.
CURRENCIES = re.findall(
    "[A-Z]{3}",
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF "
    "CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL "
    "HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD "
    "MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG "
    "QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD "
    "TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG",
)
_TWO = 2
_OTHERS = {
    **dict.fromkeys(re.findall("[A-Z]{3}", "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"), 0),
    **dict.fromkeys(re.findall("[A-Z]{3}", "BHD IQD JOD KWD LYD OMR TND"), 3),
}
STORED_DIGITS = 2  # of every amount in a table, see MONEY in contracts/schema


def digits_of(currency: str) -> int:
    """The digits of a currency after the decimal point, by ISO 4217.

    >>> digits_of("JPY"), digits_of("EUR"), digits_of("KWD")
    (0, 2, 3)
    """
    return _OTHERS.get(currency, _TWO)


def storable(currency: str) -> str:
    """The currency, if tables can hold its amounts. Raises ValueError for one with more digits than they have.

    >>> storable("KWD")
    Traceback (most recent call last):
    ValueError: amounts in KWD have 3 digits after the point, and the tables hold 2, so prices would be rounded; ...
    """
    if digits_of(currency) > STORED_DIGITS:
        raise ValueError(
            f"amounts in {currency} have {digits_of(currency)} digits after the point, and the tables hold "
            f"{STORED_DIGITS}, so prices would be rounded; deliver amounts in another currency and name that one"
        )
    return currency
