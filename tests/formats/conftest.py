"""Puts `format_cases`, the alignments and files that these tests share, within reach of them."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
