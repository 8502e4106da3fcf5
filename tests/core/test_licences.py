from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from melisma.core.licences import PUBLIC_DOMAIN, RESERVED, UNKNOWN, commercial, label, normalise, terms


@pytest.mark.parametrize(
    ("name", "spdx"),
    [
        ("CC0-1.0", "CC0-1.0"),
        ("CC0 1.0 Universal", "CC0-1.0"),
        ("http://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("cc by 4.0", "CC-BY-4.0"),
        ("CC BY-SA 3.0 Unported", "CC-BY-SA-3.0"),
        ("https://creativecommons.org/licenses/by-nc-nd/4.0/deed.de", "CC-BY-NC-ND-4.0"),
        ("Attribution-Noncommercial-Share Alike 3.0 United States", "CC-BY-NC-SA-3.0-US"),
        ("Creative Commons Attribution license (reuse allowed)", "LicenseRef-CC-BY"),
        ("Public-Domain", PUBLIC_DOMAIN),
        ("Public Domain Mark 1.0", PUBLIC_DOMAIN),
        ("https://creativecommons.org/publicdomain/mark/1.0/", PUBLIC_DOMAIN),
        ("The MIT License", "MIT"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("All rights reserved.", RESERVED),
        ("Standard YouTube License", RESERVED),
        ("mit AND cc-by-4.0 AND MIT", "MIT AND CC-BY-4.0"),
        ("mit OR ask me", "MIT"),
        ("CC-BY-4.0 AND ask me", UNKNOWN),
        ("by", UNKNOWN),
        ("https://creativecommons.org/licenses/sampling/1.0/", UNKNOWN),
        ("https://example.org/creativecommons.org/licenses/by/4.0/", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_names_in_use_become_spdx(name, spdx):
    assert normalise(name) == spdx
    assert normalise(normalise(name)) == normalise(name)


@pytest.mark.parametrize(
    "name", ["CC0-1.0", "CC-BY-4.0", "cc-by-sa-3.0", "Public domain", "CC-BY-ND-4.0", "GPL-3.0-only"]
)
def test_what_allows_commercial_use(name):
    assert commercial(name)


@pytest.mark.parametrize(
    "name",
    ["", "unknown", "CC BY-NC 4.0", "cc-by-nc-sa-4.0", "research only", "proprietary", "CC0-1.0 AND cc-by-nc-4.0"],
)
def test_what_forbids_it_or_does_not_say_so(name):
    assert not commercial(name)


def test_what_a_licence_asks():
    free, credit, alike, whole = map(terms, ("CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-ND-4.0"))
    assert (free.attribution, credit.attribution) == (False, True)
    assert (credit.share_alike, alike.share_alike) == (False, True)
    assert (alike.derivatives, whole.derivatives) == (True, False)
    both = terms("CC-BY-SA-4.0 AND CC-BY-ND-4.0")
    assert (both.share_alike, both.derivatives, both.commercial) == (True, False, True)


def test_where_the_text_is():
    assert terms("CC-BY-3.0-DE").url == "https://creativecommons.org/licenses/by/3.0/de/"
    assert terms("mit").url == "https://spdx.org/licenses/MIT.html"
    assert terms("ask me").url == terms("LicenseRef-CC-BY").url == ""


def test_a_name_that_is_not_known_is_kept_on_one_line():
    assert label("ask\nthe  choir") == "ask the choir"
    assert label("mit") == "MIT"
    assert label(" ") == label("\n") == UNKNOWN


@given(st.text(max_size=400))
def test_any_text_is_read_and_an_unknown_one_forbids(name):
    found = terms(name)
    assert found.known or not found.commercial
    assert "\n" not in label(name)
