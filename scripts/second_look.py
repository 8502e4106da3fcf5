"""Run once more, by themselves, the few tests that have just failed, and name those that pass then.

    pytest || python scripts/second_look.py            in the folder where pytest ran

Some tests drive a browser, a cluster or several processes, and on a busy machine one of many thousands can miss its
time. That is a fault of the test, to be mended, but says nothing about the change. A test that fails twice does; and so
do many at once, a collection that failed or a run that broke off: there is no second look at those.
Exit codes: 0 all passed when run alone, 1 something is wrong with the tests or the change.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MOST = 3  # that a busy machine is believed to have felled
CACHE = Path(".pytest_cache/v/cache/lastfailed")


def failed() -> list[str]:
    """Return the ids of the tests that failed last, as pytest keeps them; none if it did not get to its end."""
    try:
        found = json.loads(CACHE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return sorted(found) if isinstance(found, dict) else []


def main() -> int:
    """Look again, and say what was seen."""
    names = failed()
    if not names:
        print("no test is on record as failed: what went wrong is above, and a second look would not tell more")
        return 1
    if len(names) > MOST:
        print(f"{len(names)} tests failed, more than a busy machine explains ({MOST}): no second look")
        return 1
    print(f"a second look at {', '.join(names)}", flush=True)
    arguments = ["--last-failed", "--last-failed-no-failures", "none"]
    if subprocess.call([Path(sys.executable).with_name("pytest"), *arguments]):  # -m would add this folder to the path
        return 1
    for name in names:
        print(f"unstable, to be mended: {name} failed, and passed when run again by itself")
    return 0


if __name__ == "__main__":
    sys.exit(main())
