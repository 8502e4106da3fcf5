"""The head that all pages share: what is said in it, and that no page has one of its own."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import melisma
from melisma.core.page_head import page_head

PACKAGE = Path(melisma.__file__).parent


class Heard(HTMLParser):
    """What a browser reads: each tag with its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def test_policy_title_and_style_stand_where_a_browser_looks_for_them():
    head = page_head("default-src &#x27;none&#x27;", "a &lt;b&gt;", "p { margin: 0 }", drawn="M4 5h8")
    assert head.startswith("<!DOCTYPE html>\n")
    assert head.endswith("<style>p { margin: 0 }</style>\n</head>")
    assert "<title>a &lt;b&gt;</title>" in head
    metas = [attributes for tag, attributes in Heard(head).tags if tag == "meta"]
    assert metas[:2] == [  # what comes before the policy is not held by it
        {"charset": "utf-8"},
        {"http-equiv": "Content-Security-Policy", "content": "default-src 'none'"},
    ]
    assert {"name": "referrer", "content": "no-referrer"} in metas
    [icon] = [attributes["href"] for tag, attributes in Heard(head).tags if tag == "link"]
    assert icon is not None
    assert icon.startswith("data:image/svg+xml,%3Csvg ")
    assert "d='M4 5h8'" in icon


def test_only_who_asks_for_it_goes_up_to_the_edges_of_a_screen():
    assert "viewport-fit" not in page_head("", "", "", drawn="M4 5h8")
    assert "viewport-fit=cover" in page_head("", "", "", drawn="M4 5h8", notch=True)


def test_no_page_has_a_head_of_its_own():
    found = sorted(PACKAGE.rglob("page.html"))
    assert len(found) == 4
    for path in found:
        assert path.read_text(encoding="ascii").startswith("$head\n<body>\n"), path
