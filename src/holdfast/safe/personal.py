"""Personal data by form and check digit: looked for over the whole text, and only where the operator asks for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from holdfast.safe.patterns import Rule

_DNI: Final = "TRWAGMYFPDXBNJZSQVHLCKE"  # Real Decreto 1553/2005: the number modulo 23
_HETU: Final = "0123456789ABCDEFHJKLMNPRSTUVWXY"  # Finland, DVV: the nine digits modulo 31
_CF_ODD: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
"""Italy, DM 23/12/1976: the worth of A to Z (and 0 to 9, as A to J) at odd places."""
_VERHOEFF: Final = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)  # Verhoeff, 1969: the permutation applied once for each place


def _digits(text: str) -> list[int]:
    return [int(char) for char in text if char.isdigit()]


def luhn(text: str) -> bool:
    """ISO/IEC 7812-1, annex B; a single digit repeated is a placeholder."""
    digits = _digits(text)
    doubled = [d if at % 2 == 0 else (2 * d, 2 * d - 9)[d > 4] for at, d in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _mod97(text: str) -> bool:
    plain = "".join(text.split())
    return int("".join(str(int(char, 36)) for char in plain[4:] + plain[:4])) % 97 == 1  # ISO 7064, mod 97-10


def _weighted(digits: list[int], weights: tuple[int, ...]) -> int:
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=False))


def _steuer_id(text: str) -> bool:
    """Germany, AO 139b: one digit occurs two or three times among the first ten; ISO 7064, mod 11,10."""
    digits = _digits(text)
    counts = sorted(digits[:10].count(digit) for digit in set(digits[:10]))
    if counts[-1] not in (2, 3) or counts[-2] != 1:
        return False
    product = 10
    for digit in digits[:10]:
        product = ((digit + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == digits[10]


def _nir(text: str) -> bool:
    """France: 97 less the number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    plain = "".join(text.split()).upper().replace("2A", "19").replace("2B", "18")
    return 97 - int(plain[:13]) % 97 == int(plain[13:])


def _dni(text: str) -> bool:
    plain = text.replace("-", "").upper()
    number = int("XYZ".find(plain[0]) if plain[0] in "XYZ" else plain[0]) * 10**7 + int(plain[1:8])
    return _DNI[number % 23] == plain[8]


def _codice_fiscale(text: str) -> bool:
    worth = [int(char, 36) - 10 if char.isalpha() else int(char) for char in text.upper()]
    total = sum(_CF_ODD[value] if at % 2 == 0 else value for at, value in enumerate(worth[:15]))
    return total % 26 == worth[15]


def _bsn(text: str) -> bool:
    return _weighted(_digits(text), (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and len(set(text)) > 1


def _pesel(text: str) -> bool:
    digits = _digits(text)
    month, day = (digits[2] * 10 + digits[3]) % 20, digits[4] * 10 + digits[5]
    return 1 <= month <= 12 and 1 <= day <= 31 and _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def _cpf(text: str) -> bool:
    digits = _digits(text)
    for end in (9, 10):
        if _weighted(digits[:end], tuple(range(end + 1, 1, -1))) * 10 % 11 % 10 != digits[end]:
            return False
    return len(set(digits)) > 1


def _aadhaar(text: str) -> bool:
    """India, UIDAI: Verhoeff's check over the dihedral group of order ten."""
    check = 0
    for place, digit in enumerate(reversed(_digits(text))):
        check = _composed(check, _permuted(digit, place % 8))
    return check == 0


def _permuted(digit: int, times: int) -> int:
    for _ in range(times):
        digit = _VERHOEFF[digit]
    return digit


def _composed(one: int, two: int) -> int:
    if one < 5:
        return (one + two) % 5 + (0 if two < 5 else 5)
    return (one - two) % 5 + (5 if two < 5 else 0)


def _hetu(text: str) -> bool:
    return _HETU[int(text[:6] + text[7:10]) % 31] == text[10].upper()


def _nino(text: str) -> bool:
    return text[:2].upper() not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")  # HMRC, NIM39110


def _personnummer(text: str) -> bool:
    return luhn(re.sub(r"\D", "", text)[-10:])


def _if(check: Callable[[str], bool]) -> Callable[[str, int, int], bool]:
    return lambda text, first, last: check(text[first:last])


_DAY, _MONTH = "(?:0[1-9]|[12][0-9]|3[01])", "(?:0[1-9]|1[0-2])"

PERSONAL: Final = (
    Rule("email", ("@",), r"[\w.%+-]{1,64}@[0-9A-Za-z-]{1,63}(?:\.[0-9A-Za-z-]{1,63}){1,8}"),
    Rule("card-number", (), r"\b[2-6](?:[ -]?[0-9]){12,18}\b", accept=_if(luhn)),
    Rule("iban", (), r"\b[A-Z]{2}[0-9]{2}(?: ?[0-9A-Z]{4}){2,7}(?: ?[0-9A-Z]{1,4})?\b", accept=_if(_mod97)),
    # SSA: no area 000, 666 or from 900; no group 00; no serial 0000
    Rule("us-ssn", (), r"\b(?:00[1-9]|0[1-9][0-9]|[1-578][0-9]{2}|6(?:[0-57-9][0-9]|6[0-57-9]))"
         r"-(?:0[1-9]|[1-9][0-9])-(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})\b"),
    Rule("uk-nino", (), r"\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b",
         accept=_if(_nino)),
    Rule("de-steuer-id", (), r"\b[1-9][0-9](?: ?[0-9]{3}){3}\b", accept=_if(_steuer_id)),
    Rule("fr-nir", (), r"\b[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:[0-9]{2}|2[AB])(?: ?[0-9]{3}){2} ?[0-9]{2}\b",
         accept=_if(_nir)),
    Rule("es-dni", (), r"\b(?:[0-9]|[XYZ]-?)[0-9]{7}-?[A-HJ-NP-TV-Z]\b", accept=_if(_dni)),
    Rule("it-codice-fiscale", (), r"\b[A-Za-z]{6}[0-9]{2}[A-Za-z][0-9]{2}[A-Za-z][0-9]{3}[A-Za-z]\b",
         accept=_if(_codice_fiscale)),
    # one number of nine digits in eleven passes the test of eleven, so this one has to be called by its name
    Rule("nl-bsn", (), r"(?i)\b(?:bsn|sofi|burgerservice)[a-z-]{0,12}[ :=.#]{1,4}([0-9]{9})\b", accept=_if(_bsn)),
    Rule("pl-pesel", (), r"\b[0-9]{11}\b", accept=_if(_pesel)),
    Rule("br-cpf", (), r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b|\b[0-9]{11}\b", accept=_if(_cpf)),
    Rule("in-aadhaar", (), r"\b[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}\b", accept=_if(_aadhaar)),
    Rule("fi-hetu", (), rf"\b{_DAY}{_MONTH}[0-9]{{2}}[-+A-FU-Y][0-9]{{3}}[0-9A-FHJ-NPR-Y]\b", accept=_if(_hetu)),
    Rule("se-personnummer", (), rf"\b(?:19|20)?[0-9]{{2}}{_MONTH}{_DAY}[-+][0-9]{{4}}\b", accept=_if(_personnummer)),
    Rule("phone", (), r"\+[1-9](?:[ ().-]{0,2}[0-9]){6,14}\b|\(?\b[0-9]{3}\)?[ .-][0-9]{3}[ .-][0-9]{4}\b"),
)  # fmt: skip
