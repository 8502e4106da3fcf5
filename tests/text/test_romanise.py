"""Codes of languages as uroman knows them, and any script in Latin letters."""

from __future__ import annotations

import subprocess
import sys

import pytest

from melisma.core.errors import InputError, UnknownName
from melisma.text import iso639, romanise

needs_uroman = pytest.mark.skipif(not romanise.installed(), reason="uroman is not installed")


@pytest.mark.parametrize(
    ("code", "three"),
    [
        ("fr", "fra"),
        ("FRE", "fra"),
        ("pt_BR", "por"),
        ("ell", "ell"),
        ("uk", "ukr"),
        ("mos", "mos"),
        ("sr-Latn", "srp"),
    ],
)
def test_codes_become_those_of_three_letters(code, three):
    assert romanise.iso639_3(code) == three


def test_every_code_of_two_letters_has_one_of_three():
    for two in set(iso639.TWO_LETTERS.values()) - {"kr"}:  # which people write for Korean
        three = romanise.iso639_3(two)
        assert len(three) == 3
        assert iso639.TWO_LETTERS[three] == two


@pytest.mark.parametrize("code", ["qq", "xx", "qaa", "qtz"])
def test_codes_of_no_language_are_refused(code):
    with pytest.raises(UnknownName, match=f"no language is called '{code}'"):
        romanise.iso639_3(code)


@pytest.mark.parametrize("code", ["", "french!", "f", "1234"])
def test_what_is_no_code_is_refused(code):
    with pytest.raises(InputError, match="no language code"):
        romanise.iso639_3(code)


@needs_uroman
@pytest.mark.parametrize(
    ("text", "language", "latin"),
    [
        ("Žižek", "sl", "zizek"),
        ("Молодость", "ru", "molodost"),
        ("दोस्त", "hi", "dosta"),
        ("שלום", "he", "shlvm"),
        ("मैं 23", "hi", "maim 23"),
    ],
)
def test_any_script_becomes_latin(text, language, latin):
    assert romanise.romanise(text, language) == latin


def test_ascii_needs_no_tables():
    code = (
        "import sys\nfrom melisma.text.romanise import romanise\nprint(romanise('Hi', 'en'), 'uroman' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "hi False\n"
