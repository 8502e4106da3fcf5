import pytest

from melisma.train.sweep.space import Space
from sweep_objective import SPACE


@pytest.fixture
def space(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(SPACE, encoding="utf-8")
    return Space.read(path)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/study.sqlite"
