from __future__ import annotations

import os

import pytest

from melisma.core import settings
from melisma.core.settings import count_threads

CORES = 8


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(CORES)), raising=False)


def version_2(root, content: str):
    (root / "cpu.max").write_text(content, encoding="ascii")
    return root


def version_1(root, quota: str, period: str):
    (root / "cpu").mkdir()
    (root / "cpu" / "cpu.cfs_quota_us").write_text(quota, encoding="ascii")
    (root / "cpu" / "cpu.cfs_period_us").write_text(period, encoding="ascii")
    return root


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),  # halves go up
        ("140000 100000\n", 1),
        ("10000 100000\n", 1),  # a tenth of a core is still one thread
        ("6400000 100000\n", CORES),  # never more than the cores there are
        ("max 100000\n", CORES),
    ],
)
def test_quota_of_version_2(tmp_path, content, expected):
    assert count_threads(version_2(tmp_path, content)) == expected


@pytest.mark.parametrize(
    ("quota", "period", "expected"), [("300000\n", "100000\n", 3), ("-1\n", "100000\n", CORES), ("50000", "100000", 1)]
)
def test_quota_of_version_1(tmp_path, quota, period, expected):
    assert count_threads(version_1(tmp_path, quota, period)) == expected


def test_version_2_wins_where_both_are_there(tmp_path):
    assert count_threads(version_2(version_1(tmp_path, "300000", "100000"), "500000 100000")) == 5


@pytest.mark.parametrize("content", ["", "nonsense", "a b", "200000", "200000 0"])
def test_a_file_that_says_nothing_is_no_quota(tmp_path, content):
    assert count_threads(version_2(tmp_path, content)) == CORES


def test_without_control_groups_the_cores_count(tmp_path):
    assert count_threads(tmp_path / "none") == CORES


def test_the_cores_of_the_affinity_mask_bound_a_large_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3}, raising=False)
    assert count_threads(version_2(tmp_path, "400000 100000")) == 1


def test_without_affinity_all_cores_count(tmp_path, monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert count_threads(tmp_path) == 5


def test_what_is_wanted_wins(tmp_path):
    assert count_threads(version_2(tmp_path, "200000 100000"), wanted="6") == 6


@pytest.mark.parametrize("wanted", ["0", "-2", "many", "", "²", "1.5"])
def test_a_wish_that_is_no_number_is_not_heard(tmp_path, wanted):
    assert count_threads(version_2(tmp_path, "200000 100000"), wanted=wanted) == 2


def test_the_environment_is_asked_once(monkeypatch):
    monkeypatch.setenv("MELISMA_THREADS", "3")
    settings.n_threads.cache_clear()
    try:
        assert settings.n_threads() == 3
        monkeypatch.setenv("MELISMA_THREADS", "4")
        assert settings.n_threads() == 3
    finally:
        settings.n_threads.cache_clear()
