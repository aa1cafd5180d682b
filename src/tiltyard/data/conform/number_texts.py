"""What a number looks like in text: its separators, and the sign of percent or of a currency, or a currency's code."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable
from functools import lru_cache

_PARTS = "%‰"  # signs that only follow a number
# ISO 4217 without ALL and TOP, which are words of English as well.
_CURRENCIES = (
    "AED|AFN|AMD|AOA|ARS|AUD|AWG|AZN|BAM|BBD|BDT|BGN|BHD|BIF|BMD|BND|BOB|BRL|BSD|BTN|BWP|BYN|BZD|CAD|CDF|CHF|CLF|"
    "CLP|CNH|CNY|COP|CRC|CUP|CVE|CZK|DJF|DKK|DOP|DZD|EGP|ERN|ETB|EUR|FJD|FKP|GBP|GEL|GHS|GIP|GMD|GNF|GTQ|GYD|HKD|"
    "HNL|HRK|HTG|HUF|IDR|ILS|INR|IQD|IRR|ISK|JMD|JOD|JPY|KES|KGS|KHR|KMF|KPW|KRW|KWD|KYD|KZT|LAK|LBP|LKR|LRD|LSL|"
    "LYD|MAD|MDL|MGA|MKD|MMK|MNT|MOP|MRU|MUR|MVR|MWK|MXN|MYR|MZN|NAD|NGN|NIO|NOK|NPR|NZD|OMR|PAB|PEN|PGK|PHP|PKR|"
    "PLN|PYG|QAR|RMB|RON|RSD|RUB|RWF|SAR|SBD|SCR|SDG|SEK|SGD|SHP|SLE|SOS|SRD|SSP|STN|SVC|SYP|SZL|THB|TJS|TMT|TND|"
    "TRY|TTD|TWD|TZS|UAH|UGX|USD|UYU|UZS|VED|VES|VND|VUV|WST|XAF|XCD|XCG|XOF|XPF|YER|ZAR|ZMW|ZWG"
)
# Next to digits without a separator the letters of a currency are as likely the beginning of another code: COP21, SEK1.
_CODE = re.compile(
    rf"[+-]?\s*({_CURRENCIES})(?:\s+[+-]?[\d.,].*|[+-]?\d*[.,]\d.*)|.*[\d.,]\s+({_CURRENCIES})|.*[.,]\d+({_CURRENCIES})",
    re.ASCII,
)
_LONGEST = 60  # characters of a number with such a code
_EXPONENT = r"(?:[eE][+-]?\d+)?"
_INFINITY = r"[iI][nN][fF](?:[iI][nN][iI][tT][yY])?"


def thousand_marks(thousands: str) -> str:
    """The characters that a separator between thousands means: a space in any width, an apostrophe in either shape."""
    return {" ": " \u00a0\u202f\u2009", "'": "'\u2019"}.get(thousands, thousands)


def drop_thousands(text: str, thousands: str | None) -> str:
    """The text of a number without its separators between thousands."""
    for mark in thousand_marks(thousands or ""):
        text = text.replace(mark, "")
    return text


@lru_cache(maxsize=64)
def number_pattern(decimal: str, thousands: str | None, *, point: bool = False) -> re.Pattern[str]:
    """What a number looks like in text: ``1163.74``, or ``1,163.74`` with groups of three digits.

    Args:
        decimal: the decimal separator.
        thousands: the separator between thousands; None for none.
        point: whether a point is read as well as another decimal separator, unless it stands between thousands.
    """
    either = "." + decimal if point and thousands != "." else decimal
    mark = f"[{re.escape(either)}]"
    between = f"[{re.escape(thousand_marks(thousands))}]" if thousands else ""
    grouped = rf"\d{{1,3}}(?:{between}\d{{3}})+(?:{mark}\d+)?|" if thousands else ""
    return re.compile(rf"[+-]?(?:(?:{grouped}\d+{mark}?\d*|{mark}\d+){_EXPONENT}|{_INFINITY})", re.ASCII)


def find_sign(words: Iterable[str], gaps: Collection[str] = ("",)) -> str:
    """The sign, or code of a currency, that each of some texts begins or ends with; empty where there is none.

    The rest of a text need not be a number.

    Args:
        words: texts without outer white space.
        gaps: words that may stand among them.
    """
    sign = ""
    for word in words:
        if word in gaps:
            continue
        sign = sign or guess_sign(word)
        if not sign or drop_sign(word, sign) == word:
            return ""
    return sign


def drop_sign(text: str, sign: str) -> str:
    """A number in text without the sign of its column: ``12`` of ``12 %``, ``-5.00`` of ``-$5.00`` and ``$-5.00``.

    A text without it stays as it is.
    """
    text = text.strip()
    if not sign or sign not in text:
        return text
    if text.endswith(sign):
        return text[: -len(sign)].rstrip()
    found = None if sign in _PARTS else _leading_sign(sign).fullmatch(text)
    return found[1] + found[2] if found else text


def guess_sign(word: str) -> str:
    """The sign of percent or of a currency, or its code, that a text begins or ends with; empty where there is none."""
    if word[-1:].isdigit() and word[:1].isdigit():
        return ""
    if len(word) <= _LONGEST and (code := _CODE.fullmatch(word)):
        return code[1] or code[2] or code[3]
    for character in (word[-1:], word.lstrip("+- ")[:1]):
        if character and (character in _PARTS or unicodedata.category(character) == "Sc"):
            return character
    return ""


@lru_cache(maxsize=64)
def _leading_sign(sign: str) -> re.Pattern[str]:
    return re.compile(rf"([+-]?)\s*{re.escape(sign)}\s*(\S.*)")
