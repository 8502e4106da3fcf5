"""The content security policy of a page that holds all it needs."""

from __future__ import annotations

import base64
import hashlib


def page_policy(script: str, style: str, **sources: str) -> str:
    """Return a policy that allows this very script and this very style, and nothing else but what `sources` name.

    Parameters
    ----------
    script, style : str
        What lies in the page, in ASCII.
    **sources : str
        Further directives, `media_src="data:"` for `media-src data:`.

    Examples
    --------
    >>> policy = page_policy("", "", img_src="data:").split("; ")
    >>> policy[0], policy[3]
    ("default-src 'none'", 'img-src data:')
    """
    directives = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        **{name.replace("_", "-"): value for name, value in sources.items()},
        "base-uri": "'none'",
        "form-action": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in directives.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('ascii')).digest()).decode('ascii')}'"
