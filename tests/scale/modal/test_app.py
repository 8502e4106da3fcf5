"""What Modal is given: made without a connection, so that it can be looked at here."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from melisma.scale.choice import Choice
from melisma.scale.modal.cloud import CloudError
from melisma.scale.modal.executor import ModalExecutor
from melisma.scale.modal.image import pinned

pytest.importorskip("modal")


def test_the_app_has_its_functions_its_volume_and_its_limits():
    from melisma.scale.modal import app

    assert app.app.name == "melisma"
    assert app.volume.name == "bible-audio-data"
    for function in (app.work, app.command):
        assert list(function._spec_.volumes) == ["/mnt/audio_data"]
    assert app.command._spec_.gpus == "L4"


def test_the_image_has_the_versions_that_are_installed_here():
    found = dict(each.split("==") for each in pinned("melisma", ("modal", "units")))
    for name in ("numpy", "onnxruntime", "modal", "scikit-learn", "sentencepiece"):
        assert found[name] == metadata.version(name)
    assert not any("+" in version for version in found.values())
    assert "ray" not in found
    assert "ray" not in " ".join(pinned("melisma", ()))


def test_without_an_account_it_says_so_in_one_sentence(tmp_path: Path):
    code = (
        "from melisma.scale.choice import Choice\n"
        "from melisma.scale.protocol import Task\n"
        "from melisma.testing.executors import Script\n"
        "from melisma.core.errors import MelismaError\n"
        "try:\n"
        "    list(Choice('modal').open().run(Script(), [Task('a', 1)]))\n"
        "except MelismaError as error:\n"
        "    print(error)\n"
    )
    # No tokens, and no server at the address that is asked: nothing of the outside is needed, or reached.
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MODAL_", "MELISMA_MODAL_"))}
    environ = kept | {"HOME": str(tmp_path), "MODAL_CONFIG_PATH": str(tmp_path / "none.toml")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=True
    )
    assert done.stdout.startswith("Modal does not know who you are: make an account, then `modal token new`")
    assert done.stdout.count("\n") == 1


def test_the_package_is_loaded_only_where_it_is_needed():
    code = "import sys, melisma.scale.choice as c; c.Choice('modal').open(); print('modal' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout == "False\n"


def test_the_executor_is_chosen_by_its_name():
    found = Choice("modal", 3).open()
    assert isinstance(found, ModalExecutor)
    assert found.most == 3


def test_a_service_that_refuses_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch):
    from modal.exception import FunctionTimeoutError, NotFoundError, RemoteError

    from melisma.scale.modal.cloud import CallLost, CallTimedOut
    from melisma.scale.modal.service import ModalCall

    class Answer:
        """What Modal's call does when it is asked for its result."""

        object_id = "fc-1"

        def __init__(self, error: Exception) -> None:
            self.error = error

        def get(self) -> None:
            raise self.error

    for error, kind in (
        (FunctionTimeoutError("too long"), CallTimedOut),
        (RemoteError("container killed"), CallLost),
        (NotFoundError("gone"), CallLost),
        (ValueError("its own"), ValueError),
    ):
        with pytest.raises(kind):
            ModalCall(Answer(error)).result()
    assert ModalCall(Answer(ValueError())).id == "fc-1"


def test_only_what_is_ours_is_taken_for_a_report():
    from melisma.scale.modal.service import ModalCall

    class Other:
        """An app of another version."""

        object_id = "fc-1"

        def get(self) -> dict[str, int]:
            return {"a": 1}

    with pytest.raises(CloudError, match="of another version: deploy it anew"):
        ModalCall(Other()).result()


def test_a_missing_package_is_one_sentence(tmp_path: Path):
    code = "import sys\nsys.modules['modal'] = None\nfrom melisma.cli.main import run\nrun()\n"
    for said in (["scale", "upload", "."], ["scale", "modal-app"]):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MELISMA_MODAL_")}
        command = [sys.executable, "-c", code, *said]
        done = subprocess.run(command, env=kept, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 3, done.stderr
        assert done.stderr == "error: Modal needs an extra: pip install 'melisma[modal]'\n"
