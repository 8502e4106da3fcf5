"""Checkpoints as strangers write them: found, hashed, read within bounds, and taken at their card's word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from melisma.core.errors import EngineUnavailable, ModelError
from melisma.engines._checkpoint import UNKNOWN_LICENCE, Card, licence_of, read_card, said_licence
from melisma.engines.protocol import Licence
from melisma.models.pretrained import (
    Checkpoint,
    Preparation,
    content_hash,
    read_json,
    read_preparation,
    read_vocabulary,
    weights_mb,
)


def written(folder: Path, **files: object) -> Path:
    """Write files: JSON under names with an underscore for the point."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


VOCABULARY = {"<pad>": 0, "<unk>": 1, "|": 2, "a": 3, "b": 4}
CONFIG = {"vocab_size": 5, "pad_token_id": 0}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    for name in ("HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE", "MELISMA_DOWNLOAD"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "hub"


def cached(cache: Path, model="org/name", commit="c0ffee", branch="main", weights="model.safetensors") -> Path:
    kept = cache / f"models--{model.replace('/', '--')}"
    folder = written(kept / "snapshots" / commit, config=CONFIG)
    (folder / weights).write_bytes(b"w")
    (kept / "refs").mkdir(exist_ok=True)
    (kept / "refs" / branch).write_text(commit)
    return folder


def test_a_model_of_the_hub_is_found_where_the_hub_keeps_it(cache):
    folder = cached(cache)
    checkpoint = Checkpoint("org/name")
    assert (checkpoint.folder(), checkpoint.fetch(), checkpoint.missing()) == (folder, folder, None)
    assert (checkpoint.name, checkpoint.found_revision()) == ("org/name", "c0ffee")
    assert Checkpoint("org/name", "c0ffee").folder() == folder
    assert Checkpoint("org/name", "other").folder() is None


def test_it_is_where_huggingface_hub_looks_too(cache, monkeypatch):
    constants = pytest.importorskip("huggingface_hub.constants")
    from huggingface_hub import try_to_load_from_cache

    folder = cached(cache)
    found = try_to_load_from_cache("org/name", "config.json", cache_dir=cache)
    assert Path(found).parent == folder == Checkpoint("org/name").folder()
    monkeypatch.delenv("HF_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(cache.parent))
    assert Path(constants.default_home).name == ".cache"
    moved = cached(cache.parent / ".cache" / "huggingface" / "hub", "org/other")
    assert Checkpoint("org/other").folder() == moved


def test_a_snapshot_without_weights_is_not_there_yet(cache):
    (cached(cache) / "model.safetensors").unlink()
    assert Checkpoint("org/name").folder() is None


def test_what_is_not_here_is_a_sentence_that_says_how_it_comes(monkeypatch):
    checkpoint = Checkpoint("org/name", "v1")
    wanted = (
        "the model org/name is not on this machine: run `hf download org/name --revision v1`, or set MELISMA_DOWNLOAD=1"
    )
    assert (checkpoint.missing() or "").startswith(wanted)
    with pytest.raises(EngineUnavailable, match="not on this machine"):
        checkpoint.fetch()
    monkeypatch.setenv("MELISMA_DOWNLOAD", "1")
    assert checkpoint.missing() is None


@pytest.mark.parametrize("revision", ["../../../elsewhere", "a/../../.."])
def test_a_revision_does_not_leave_the_cache(cache, revision):
    cached(cache)
    written(cache.parent / "elsewhere", config=CONFIG)
    assert Checkpoint("org/name", revision).folder() is None


def test_a_folder_that_is_not_there_is_said(tmp_path):
    assert Checkpoint(str(tmp_path / "none")).missing() == f"there is no folder {tmp_path / 'none'}"
    assert Checkpoint("../none").missing() == "there is no folder ../none"


def test_a_folder_is_known_by_its_name_and_its_content(tmp_path):
    folder = written(tmp_path / "mine", config=CONFIG)
    (folder / "model.safetensors").write_bytes(b"weights")
    checkpoint = Checkpoint(str(folder))
    first = checkpoint.found_revision()
    assert checkpoint.name == "mine"
    assert len(first) == 12
    assert first == content_hash(folder)
    (folder / "notes.txt").write_text("no part of the model")
    assert checkpoint.found_revision() == first
    (folder / "model.safetensors").write_bytes(b"weight5 ")
    assert checkpoint.found_revision() != first


def test_one_format_of_weights_counts(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(bytes(3 << 20))
    (tmp_path / "pytorch_model.bin").write_bytes(bytes(3 << 20))
    assert weights_mb(tmp_path) == 3


class TestFetching:
    """The hub, played by a server on this machine as its documentation describes it."""

    @pytest.fixture
    def hub(self, tmp_path):
        pytest.importorskip("huggingface_hub")
        import threading
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        files = {
            "config.json": b"{}",
            "vocab.json": b"{}",
            "README.md": b"---\nlicense: mit\n---\n",
            "model.safetensors": b"weights",
            "pytorch_model.bin": b"pickled",
            "evil.py": b"raise SystemExit",
        }
        asked: list[str] = []

        class Hub(BaseHTTPRequestHandler):
            def log_message(self, *args):
                pass

            def answer(self, body: bytes, status=200, **headers):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            def do_GET(self):
                path = self.path.split("?")[0]
                asked.append(path)
                if path.startswith("/api/models/org/name"):
                    tree = [{"type": "file", "path": n, "size": len(b), "oid": n} for n, b in files.items()]
                    siblings = [{"rfilename": name} for name in files]
                    info = {"id": "org/name", "sha": "c0ffee", "siblings": siblings}
                    body = json.dumps(tree if "/tree/" in path else info).encode()
                    return self.answer(body, Content_Type="application/json")
                name = path.rsplit("/", 1)[-1]
                if path.startswith("/org/name/resolve/") and name in files:
                    return self.answer(files[name], ETag=f'"{name}"', X_Repo_Commit="c0ffee")
                return self.answer(b"", 404, X_Error_Code="RepoNotFound")

            do_HEAD = do_GET

        server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        server.server_close()

    def run(self, hub: str, home: Path, model: str) -> str:
        """Fetch in a process of its own: huggingface_hub reads its settings when it is imported."""
        import os
        import subprocess
        import sys

        code = (
            "import sys\nfrom melisma.core.errors import MelismaError\n"
            "from melisma.models.pretrained import Checkpoint\n"
            "try:\n    print(Checkpoint(sys.argv[1]).fetch())\nexcept MelismaError as error:\n    print(error)\n"
        )
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        environment |= {"HF_ENDPOINT": hub, "HF_HOME": str(home), "MELISMA_DOWNLOAD": "1", "HF_HUB_DISABLE_XET": "1"}
        environment.pop("HF_HUB_OFFLINE", None)
        done = subprocess.run(
            [sys.executable, "-c", code, model], capture_output=True, text=True, check=True, env=environment
        )
        return done.stdout.strip()

    def test_small_files_and_one_format_of_weights_are_fetched(self, hub, tmp_path):
        url, asked = hub
        folder = Path(self.run(url, tmp_path / "home", "org/name"))
        assert folder.name == "c0ffee"
        wanted = ["README.md", "config.json", "model.safetensors", "vocab.json"]
        assert sorted(path.name for path in folder.iterdir()) == wanted
        n_asked = len(asked)
        assert Path(self.run(url, tmp_path / "home", "org/name")) == folder
        assert len(asked) == n_asked  # what is here is not asked for again

    def test_a_model_that_the_hub_does_not_have_is_one_sentence(self, hub, tmp_path):
        said = self.run(hub[0], tmp_path / "home", "org/other")
        assert said.startswith("the model org/other cannot be fetched: ")
        assert "\n" not in said


def test_a_fault_of_the_hub_that_has_no_words_is_named(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")

    def hang_up(*args, **options):
        raise TimeoutError

    monkeypatch.setattr(hub.HfApi, "list_repo_files", hang_up)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("MELISMA_DOWNLOAD", "1")
    with pytest.raises(EngineUnavailable, match="the model org/name cannot be fetched: TimeoutError"):
        Checkpoint("org/name").fetch()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"{", "is no JSON"),
        (b"[1]", "holds no JSON object"),
        (b"[" * 100_000, "is no JSON"),
        (b"\xff\xfe{}", "is no JSON"),
    ],
)
def test_files_that_are_no_settings_are_refused(tmp_path, content, match):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match=match):
        read_json(tmp_path / "config.json")


def test_a_file_that_is_not_there_or_too_large_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"has no readable config\.json"):
        read_json(tmp_path / "config.json")
    with (tmp_path / "config.json").open("wb") as file:
        file.truncate((32 << 20) + 1)
    with pytest.raises(ModelError, match="larger than a settings file"):
        read_json(tmp_path / "config.json")


def test_labels_are_in_the_order_of_their_ids(tmp_path):
    shuffled = {"b": 4, "|": 2, "<pad>": 0, "a": 3, "<unk>": 1}
    words = read_vocabulary(written(tmp_path, vocab=shuffled, config=CONFIG))
    assert words.labels == ("<pad>", "<unk>", "|", "a", "b")
    assert (words.blank, words.delimiter, words.silent) == (0, "|", {"<pad>", "<unk>", "|"})


def test_the_blank_is_what_pads_wherever_it_stands(tmp_path):
    vocabulary = {"a": 0, "b": 1, "_": 2, "[PAD]": 3, "[UNK]": 4}
    tokenizer = {"pad_token": "[PAD]", "unk_token": {"content": "[UNK]"}, "word_delimiter_token": "_"}
    folder = written(tmp_path, vocab=vocabulary, config={"vocab_size": 5}, tokenizer_config=tokenizer)
    words = read_vocabulary(folder)
    assert (words.blank, words.delimiter, words.silent) == (3, "_", {"[PAD]", "[UNK]", "_"})
    written(tmp_path, config={"vocab_size": 5, "pad_token_id": 4})
    assert read_vocabulary(folder).blank == 4  # what the network was trained with


def test_a_blank_by_name_comes_before_what_pads(tmp_path):
    vocabulary = {"<blank>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "a": 4}
    words = read_vocabulary(written(tmp_path, vocab=vocabulary, config={"vocab_size": 5, "pad_token_id": 1}))
    assert words.blank == 0
    assert words.silent == {"<blank>", "<pad>", "</s>", "<unk>"}
    assert words.delimiter is None


def test_a_network_may_have_more_labels_than_its_vocabulary_and_added_ones(tmp_path):
    decoder = {"5": {"content": "<s>"}, "6": {"content": "</s>"}}
    config = {"vocab_size": 8, "pad_token_id": 0}
    words = read_vocabulary(
        written(tmp_path, vocab=VOCABULARY, config=config, tokenizer_config={"added_tokens_decoder": decoder})
    )
    assert words.labels[5:] == ("<s>", "</s>", "<unused 7>")
    assert {"<s>", "</s>", "<unused 7>"} <= words.silent
    config = {"vocab_size": 4, "pad_token_id": 0}  # or fewer: a label that is never heard spells nothing
    assert read_vocabulary(written(tmp_path, vocab=VOCABULARY, config=config)).labels == ("<pad>", "<unk>", "|", "a")


def test_a_vocabulary_may_stand_in_tokenizer_json(tmp_path):
    words = read_vocabulary(written(tmp_path, tokenizer={"model": {"vocab": VOCABULARY}}, config=CONFIG))
    assert words.labels == tuple(VOCABULARY)


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"vocab": {"a": "0"}, "config": CONFIG}, "no table of labels"),
        ({"vocab": {"a": True}, "config": CONFIG}, "no table of labels"),
        ({"vocab": {"a": 0, "b": 0}, "config": CONFIG}, "no table of labels"),
        ({"vocab": {}, "config": CONFIG}, "no table of labels"),
        ({"vocab": {"fra": {"a": 0}, "eng": {"b": 0}}, "config": CONFIG}, "for each language, and names none"),
        ({"vocab": VOCABULARY, "config": {}}, "gives no number of labels"),
        ({"vocab": VOCABULARY, "config": {"vocab_size": 10**9}}, "gives no number of labels"),
        ({"vocab": {"a": 0, "b": 1}, "config": {"vocab_size": 2}}, "has no blank"),
        ({"vocab": VOCABULARY, "config": {"vocab_size": 5, "pad_token_id": 7}}, "has no blank"),
        ({"config": CONFIG}, "has no readable tokenizer.json"),
        (
            {
                "vocab": VOCABULARY,
                "config": CONFIG,
                "tokenizer_config": {"tokenizer_class": "Wav2Vec2PhonemeCTCTokenizer"},
            },
            "spells phonemes",
        ),
    ],
)
def test_vocabularies_that_cannot_be_used_are_refused(tmp_path, files, match):
    with pytest.raises(ModelError, match=match):
        read_vocabulary(written(tmp_path, **files))


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"config": {}}, Preparation(16000, True)),
        ({"config": {"feat_extract_norm": "group"}}, Preparation(16000, False)),
        (
            {"config": {"feat_extract_norm": "group"}, "preprocessor_config": {"do_normalize": True}},
            Preparation(16000, True),
        ),
        (
            {"config": {}, "preprocessor_config": {"do_normalize": False, "sampling_rate": 8000}},
            Preparation(8000, False),
        ),
        ({"config": {"model_type": "wav2vec2-bert"}}, Preparation(16000, False)),
        ({"config": {}, "processor_config": {"feature_extractor": {"do_normalize": False}}}, Preparation(16000, False)),
    ],
)
def test_what_is_done_to_audio_is_read_from_the_files(tmp_path, files, wanted):
    assert read_preparation(written(tmp_path, **files)) == wanted


@pytest.mark.parametrize("rate", [0, -1, "16000", True, 10**9, None])
def test_a_rate_that_is_none_is_refused(tmp_path, rate):
    folder = written(tmp_path, config={}, preprocessor_config={"sampling_rate": rate})
    with pytest.raises(ModelError, match="takes audio at"):
        read_preparation(folder)


@pytest.mark.parametrize(
    ("head", "card"),
    [
        ("license: apache-2.0\nlanguage: en\n", Card(Licence("Apache-2.0", True), frozenset({"en"}))),
        ("language:\n- fr\n- 'de'\nlicense: \"mit\"\n", Card(Licence("MIT", True), frozenset({"fr", "de"}))),
        ("language: [en, FR]\nlicense: cc-by-nc-4.0\n", Card(Licence("CC-BY-NC-4.0", False), frozenset({"en", "fr"}))),
        ("license: other\nlicense_name: research\n", Card(UNKNOWN_LICENCE)),
        ("license:\n- mit\n- cc-by-nc-4.0\n", Card()),
        ("license: openrail\n", Card(UNKNOWN_LICENCE)),
        ("tags:\n- x\n", Card()),
        ("license: !!python/object/apply:os.system ['true']\n", Card(UNKNOWN_LICENCE)),
        ("language: multilingual\nlicense: mit\n", Card(Licence("MIT", True))),
    ],
)
def test_a_card_is_read_for_licence_and_languages(tmp_path, head, card):
    (tmp_path / "README.md").write_text(f"---\n{head}---\n# A model\nlicense: mit\n", encoding="utf-8")
    assert read_card(tmp_path) == card
    (tmp_path / "README.md").write_bytes(f"---\n{head}---\n".replace("\n", "\r\n").encode())
    assert read_card(tmp_path) == card


@pytest.mark.parametrize("text", ["", "# A model\nlicense: mit\n", "---\nlicense: mit\n", "\x00\xff"])
def test_a_card_without_a_head_says_nothing(tmp_path, text):
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    assert read_card(tmp_path) == Card()


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("Apache-2.0", Licence("Apache-2.0", True)),
        ("CC0-1.0", Licence("CC0-1.0", True)),
        ("cc-by-nc-sa-4.0", Licence("CC-BY-NC-SA-4.0", False)),
        ("unknown", UNKNOWN_LICENCE),
        ("", UNKNOWN_LICENCE),
        ("a\nb-nc", UNKNOWN_LICENCE),
    ],
)
def test_licences_are_commercial_only_where_they_are_known_to_be(name, licence):
    assert licence_of(name) == licence


def test_a_user_may_vouch_for_a_licence_but_not_against_its_name():
    assert said_licence("LicenseRef-bought") == Licence("LicenseRef-bought", True)
    assert said_licence("cc-by-nc-4.0") == Licence("CC-BY-NC-4.0", False)
    assert said_licence("mit") == Licence("MIT", True)
