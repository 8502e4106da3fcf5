"""The head of a page that holds all it needs: the same for every one that is written here."""

from __future__ import annotations

_VIEWPORT = "width=device-width, initial-scale=1"
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="{viewport}">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="melisma">
<title>{title}</title>
<link rel="icon" href="data:image/svg+xml,{icon}">
<style>{style}</style>
</head>"""
_ICON = (
    "%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' rx='4' "
    "fill='%23b5179e'/%3E%3Cpath d='{drawn}' fill='none' stroke='white' stroke-width='1.6' stroke-linecap='round' "
    "stroke-linejoin='round'/%3E%3C/svg%3E"
)


def page_head(policy: str, title: str, style: str, *, drawn: str, notch: bool = False) -> str:
    """Return a page from its first byte to the end of its head.

    Parameters
    ----------
    policy, title : str
        Of `page_policy`, and in the window's frame; as HTML, what others wrote escaped.
    style : str
        The style that the policy allows.
    drawn : str
        Of the icon, 16 by 16: the line on it, as the data of an SVG path.
    notch : bool
        Whether the page goes up to the edges of a screen that is not a rectangle, and minds them itself.

    Examples
    --------
    >>> page_head("default-src", "Motifs", "", drawn="M4 5h8").splitlines()[9]
    '<title>Motifs</title>'
    """
    viewport = f"{_VIEWPORT}, viewport-fit=cover" if notch else _VIEWPORT
    icon = _ICON.format(drawn=drawn)
    return _HEAD.format(policy=policy, viewport=viewport, title=title, icon=icon, style=style)
