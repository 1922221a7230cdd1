"""From a read string to plates: syntaxes, repair, countries, and nothing that prints a plate."""

from __future__ import annotations

import pytest

from twin.control.access.identity import Identity, ReadQuality, canonical, country_code, tokens
from twin.keys import Key
from twin.seal import Plate, token

KEY = Key(id="test-access-1", secret=bytes(range(32)))


def texts(identity: Identity) -> list[tuple[str, str]]:
    return [(plate.country, plate.text) for plate in identity.plates]


@pytest.mark.parametrize(
    ("country", "raw", "text"),
    [
        ("ES", "1234 bcd", "1234BCD"),
        ("ES", "B-1234-CD", "B1234CD"),
        ("ES", "BI 1234", "BI1234"),
        ("FR", "AB-123-CD", "AB123CD"),
        ("IT", "AB 123 CD", "AB123CD"),
        ("DE", "MÜ-AB 1234", "MUAB1234"),
        ("DE", "B·A 1", "BA1"),
        ("UK", "AB12 CDE", "AB12CDE"),
        ("PT", "12-AB-34", "12AB34"),
        ("PT", "AB-12-CD", "AB12CD"),
        ("PL", "WA 12345", "WA12345"),
    ],
)
def test_a_good_read_is_taken_as_it_stands(country: str, raw: str, text: str) -> None:
    identity = canonical(raw, country)
    assert identity.quality is ReadQuality.EXACT
    assert texts(identity) == [(country_code(country), text)]


@pytest.mark.parametrize(
    ("country", "raw", "text"),
    [
        ("ES", "12O4BCD", "1204BCD"),
        ("ES", "1234BC8", "1234BCB"),
        ("ES", "1234BC6", "1234BCG"),
        ("ES", "1234B2D", "1234BZD"),
        ("FR", "A8123CD", "AB123CD"),
        ("GB", "ABI2CDE", "AB12CDE"),
    ],
)
def test_a_sign_of_the_wrong_kind_is_repaired(country: str, raw: str, text: str) -> None:
    identity = canonical(raw, country)
    assert identity.quality is ReadQuality.REPAIRED
    assert texts(identity) == [(country, text)]


@pytest.mark.parametrize(
    ("country", "raw"),
    [
        ("FR", "A0123CD"),  # 0 may be O, Q or D: three results, none is taken
        ("ES", "1234ACD"),  # a vowel is a letter: of the right kind, nothing to repair
        ("ES", "123"),
        ("ES", "I234BCD"),  # 1234BCD, or of the older kind I2348CD: one sign each
        ("ES", "1234BC7"),  # nothing looks like a 7
    ],
)
def test_what_cannot_be_repaired_is_kept_as_unusual(country: str, raw: str) -> None:
    identity = canonical(raw, country)
    assert identity.quality is ReadQuality.UNUSUAL
    assert texts(identity) == [(country, raw)]


def test_the_fewest_substitutions_win() -> None:
    # 1204BCD changes one sign; the older kind, I2048CD, would change three.
    assert texts(canonical("12O4BCD", "ES")) == [("ES", "1204BCD")]


def test_without_a_country_every_syntax_that_accepts_is_a_candidate() -> None:
    identity = canonical("AB123CD", None)
    assert not identity.country_known
    assert texts(identity) == [("FR", "AB123CD"), ("IT", "AB123CD")]


def test_without_a_country_and_without_a_syntax_it_is_kept() -> None:
    identity = canonical("??AAA???A1A", "")
    assert identity.quality is ReadQuality.UNUSUAL
    assert texts(identity) == [("", "AAAA1A")]


@pytest.mark.parametrize("raw", ["", "  ", "---", "??"])
def test_nothing_read_is_nobody(raw: str) -> None:
    identity = canonical(raw, "ES")
    assert identity.quality is ReadQuality.UNREAD
    assert tokens(identity, key=KEY) == ("", ())


def test_one_token_for_a_known_country_and_candidates_for_an_unknown() -> None:
    assert tokens(canonical("1234BCD", "ESP"), key=KEY) == (
        token(Plate("ES", "1234BCD"), key=KEY),
        (),
    )
    first, candidates = tokens(canonical("AB123CD", None), key=KEY)
    assert first == candidates[0]
    assert candidates == tuple(token(Plate(name, "AB123CD"), key=KEY) for name in ("FR", "IT"))


def test_an_identity_does_not_print_its_plates() -> None:
    identity = canonical("1234BCD", "ES")
    assert "1234" not in repr(identity)
    assert "1234" not in str(identity.plates)
