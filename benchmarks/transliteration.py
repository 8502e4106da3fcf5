"""Cyrillic → Latin → Cyrillic over a dictionary: which words do not come back, and how fast it goes.

    python benchmarks/transliteration.py /usr/share/hunspell/sr_RS.dic

Takes any list of Cyrillic words, one a line (of a Hunspell dictionary, what stands in front of the slash).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from melisma.text.transliterate import to_cyrillic, to_latin


def main() -> None:
    """Print a table, and the words that became others."""
    rows = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    words = [word for word in (row.split("/")[0].strip() for row in rows) if word and not word.isdigit()]
    began = time.perf_counter()
    back = [to_cyrillic(to_latin(word)) for word in words]
    seconds = time.perf_counter() - began
    lost = [(word, to_latin(word), other) for word, other in zip(words, back, strict=True) if word != other]
    apart = sum(any(pair in word.lower() for pair in ("нј", "лј", "дж")) for word in words)
    one = sum(any(letter in word.lower() for letter in "љњџ") for word in words)
    print(f"{'words':>10}{'љ њ џ':>10}{'нј лј дж':>10}{'others':>10}{'words/s':>10}")
    print(f"{len(words):>10,}{one:>10,}{apart:>10,}{len(lost):>10,}{2 * len(words) / seconds:>10,.0f}")
    for each in lost:
        print("  " + "  ".join(each))


if __name__ == "__main__":
    main()
