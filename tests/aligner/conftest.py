"""Puts `heard_songs`, recordings of which every frame is known, within reach of these tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
