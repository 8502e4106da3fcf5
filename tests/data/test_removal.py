from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError, ManifestError
from melisma.data import moves
from melisma.data.align_corpus import JSON, LRC, folder_of
from melisma.data.fetching.archive import Archive, Entry
from melisma.data.fetching.protocol import Fate
from melisma.data.licences import taint
from melisma.data.manifest import Utterance, read, write
from melisma.data.removal import carry_out
from melisma.data.removal.choose import Selection
from melisma.data.removal.run import remove
from melisma.models.package import REMOVED
from melisma.scale.journal import Journal
from melisma.scale.protocol import Outcome, Task

ANA = "https://example.org/ana"


class Stage:
    name = "prepare"

    def configuration(self):
        return ""

    def __call__(self, item):
        return item


def sound(path: Path, seed: int, seconds: float = 2.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = 0.1 * np.random.default_rng(seed).standard_normal(int(8000 * seconds))
    soundfile.write(path, samples.astype(np.float32), 8000, subtype="PCM_16")


def utterance(name: str, audio: str, source: str, **more) -> Utterance:
    return Utterance(id=name, audio=audio, source=source, **{"duration": 2.0, "license": "CC0-1.0", **more})


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Two sources in one corpus, and what the tools of this package make of them."""
    root = tmp_path / "corpus"
    for seed, name in enumerate(("ana-1", "ana-2", "boris-1")):
        sound(root / "raw" / f"{name}.wav", seed)
        (root / "raw" / f"{name}.txt").write_text(f"words of {name}", encoding="utf-8")
    sound(root / "duplicates" / "copy of something.wav", 0)  # of ana-1, set aside, in no manifest
    write(
        root / "raw" / "manifest.jsonl",
        [
            utterance("ana-1", "ana-1.wav", ANA),
            utterance("ana-2", "ana-2.wav", ANA, license="CC-BY-NC-4.0"),
            utterance("boris-1", "boris-1.wav", "boris"),
        ],
    )
    cuts = []
    for seed, name in enumerate(("ana-1-0", "ana-1-1", "boris-1-0")):
        sound(root / "cut" / "audio" / f"{name}.wav", 10 + seed, 1.0)
        source = ANA if name.startswith("ana") else "boris"
        cuts.append(
            utterance(name, f"audio/{name}.wav", source, duration=1.0, clip_of=name[:-2], recording_id=name[:-2])
        )
    mixed = cuts[2].changed(id="mixed", audio="audio/mixed.wav", derived_from=["boris", "ana-2"])
    sound(root / "cut" / "audio" / "mixed.wav", 20, 1.0)
    write(root / "cut" / "manifest.jsonl", [*cuts, mixed])
    write(root / "splits" / "train.jsonl", [each.changed(audio=f"../cut/{each.audio}") for each in (cuts[0], cuts[2])])
    write(root / "splits" / "valid.jsonl", [cuts[1].changed(audio=f"../cut/{cuts[1].audio}")])
    for each in cuts:
        folder = root / "cut" / folder_of(each.id)
        folder.mkdir()
        for name in (JSON, LRC):
            (folder / name).write_text(each.id, encoding="utf-8")
    with Journal(root / ".cut.journal", Stage()) as journal:
        for each in cuts:
            task = Task(f"raw/{each.id[:-2]}.wav", None)
            journal.keep(task, Outcome(task.key, [{"id": each.id}]))
    return root


@pytest.fixture
def training(corpus: Path) -> Path:
    run = corpus / "runs" / "one"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints" / "last.ckpt").write_bytes(b"weights")
    (run / "prepared" / "audio").mkdir(parents=True)
    (run / "prepared" / "audio" / "0123.wav").write_bytes(b"audio")
    said = {"data": taint(read(corpus / "splits" / "train.jsonl")).as_dict()}
    (run / "split.json").write_text(json.dumps(said), encoding="utf-8")
    other = corpus / "runs" / "other"
    other.mkdir()
    (other / "model.safetensors").write_bytes(b"weights")
    (other / "run_manifest.json").write_text(json.dumps({"sources": [{"name": "boris"}]}), encoding="utf-8")
    return run


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder that is not set aside; journals by what they say."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and name.parts[0] != ".removed":
            found[name.as_posix()] = _rows(path) if path.suffix == ".journal" else path.read_bytes()
    return found


def _rows(path: Path) -> bytes:
    file = sqlite3.connect(path)
    rows = file.execute("select * from outcome order by key").fetchall()
    file.close()
    return repr(rows).encode()


def ids(manifest: Path) -> list[str]:
    return [line.id for line in read(manifest)]


def test_without_apply_nothing_changes(corpus, training):
    before = tree(corpus)
    found = remove(Selection(sources=(ANA,)), [corpus], apply=False)
    assert found.n_utterances == 7
    assert not found.report().applied
    assert tree(corpus) == before


def test_a_source_goes_with_all_that_was_made_of_it(corpus, training):
    found = remove(Selection(sources=(ANA,)), [corpus], apply=True)
    assert found.problems == ()
    assert ids(corpus / "raw" / "manifest.jsonl") == ["boris-1"]
    assert ids(corpus / "cut" / "manifest.jsonl") == ["boris-1-0"]
    assert ids(corpus / "splits" / "train.jsonl") == ["boris-1-0"]
    assert ids(corpus / "splits" / "valid.jsonl") == []
    left = tree(corpus)
    assert not [name for name in left if "ana" in name or "mixed" in name or "copy" in name or "prepared" in name]
    assert {"raw/boris-1.wav", "raw/boris-1.txt", "cut/audio/boris-1-0.wav", f"cut/boris-1-0/{JSON}"} <= left.keys()
    assert not [name for name, data in left.items() if b"ana-" in data and not name.endswith(REMOVED)]
    assert b"boris-1-0" in left[".cut.journal"]


def test_what_stays_stays_to_the_byte(corpus):
    manifest = corpus / "raw" / "manifest.jsonl"
    lines = manifest.read_bytes().splitlines()
    odd = b'{"audio" :"boris-1.wav","id":"odd",  "duration":0.1, "zz": [1.50]}'
    manifest.write_bytes(b"\n".join([*lines, odd]))
    remove(Selection(sources=(ANA,)), [corpus], apply=True)
    assert manifest.read_bytes() == lines[2] + b"\n" + odd + b"\n"


def test_models_that_were_trained_on_it_are_named_and_marked(corpus, training):
    found = remove(Selection(sources=(ANA,)), [corpus], apply=True)
    assert [model.folder for plan in found.plans for model in plan.models] == [training]
    mark = json.loads((training / REMOVED).read_text(encoding="utf-8"))
    assert mark["removals"][0]["sources"] == [ANA]
    assert not (training.parent / "other" / REMOVED).exists()
    remove(Selection(sources=("boris",)), [corpus], apply=True)
    assert len(json.loads((training / REMOVED).read_text(encoding="utf-8"))["removals"]) == 2


def test_a_model_is_known_by_the_hash_of_its_manifest(corpus):
    import hashlib

    run = corpus / "runs" / "two"
    run.mkdir(parents=True)
    (run / "last.ckpt").write_bytes(b"weights")
    digest = hashlib.sha256((corpus / "splits" / "train.jsonl").read_bytes()).hexdigest()
    (run / "split.json").write_text(json.dumps({"parts": {"train": {"sha256": digest}}}), encoding="utf-8")
    found = remove(Selection(ids=("ana-1",)), [corpus], apply=False)
    ((model,),) = [plan.models for plan in found.plans]
    assert "train.jsonl as it was before" in model.why


def test_it_can_be_brought_back_until_it_is_purged(corpus, training):
    before = tree(corpus)
    first = remove(Selection(sources=(ANA,)), [corpus], apply=True)
    assert carry_out.undo(first.folders[0]) == ()
    assert tree(corpus) == before
    (again,) = remove(Selection(sources=(ANA,)), [corpus], apply=True).folders
    after = tree(corpus)
    n_files, n_bytes = carry_out.purge(again)
    assert n_files > 10
    assert n_bytes > 100_000
    assert tree(corpus) == after
    assert not list(again.rglob("*.wav"))
    with pytest.raises(InputError, match="was purged"):
        carry_out.undo(again)


def test_an_utterance_goes_with_its_cuts_and_not_with_its_neighbours(corpus):
    remove(Selection(ids=("ana-1",)), [corpus], apply=True)
    assert ids(corpus / "raw" / "manifest.jsonl") == ["ana-2", "boris-1"]
    assert ids(corpus / "cut" / "manifest.jsonl") == ["boris-1-0", "mixed"]
    assert not (corpus / "raw" / "ana-1.wav").exists()
    assert (corpus / "raw" / "ana-2.wav").exists()


def test_what_was_mixed_with_an_utterance_goes_too(corpus):
    remove(Selection(ids=("ana-2",)), [corpus], apply=True)
    assert ids(corpus / "cut" / "manifest.jsonl") == ["ana-1-0", "ana-1-1", "boris-1-0"]


@pytest.mark.parametrize(
    "selection", [Selection(ids=("ana-2",)), Selection(licences=("CC-BY-NC-4.0",))], ids=["id", "licence"]
)
def test_changed_copies_of_an_utterance_go_too(corpus, selection):
    """As `data augment --all` writes them: of another licence where a noise was mixed in, of no known recording."""
    sound(corpus / "louder" / "audio" / "ana-2+1.wav", 30)
    copy = utterance("ana-2+1", "audio/ana-2+1.wav", ANA, copy_of="ana-2", recording_id="ana-2.wav")
    other = copy.changed(id="boris-1+1", audio="audio/boris-1+1.wav", source="boris", copy_of="boris-1")
    noisy = copy.changed(license="CC-BY-NC-4.0 AND CC0-1.0", derived_from=["rain"])
    write(corpus / "louder" / "manifest.jsonl", [noisy, other])
    remove(selection, [corpus], apply=True)
    assert ids(corpus / "louder" / "manifest.jsonl") == ["boris-1+1"]
    assert not (corpus / "louder" / "audio" / "ana-2+1.wav").exists()


def test_a_licence_goes_by_any_of_its_names(corpus):
    found = remove(Selection(licences=("Creative Commons Attribution-NonCommercial 4.0",)), [corpus], apply=True)
    assert found.n_utterances == 2
    assert ids(corpus / "raw" / "manifest.jsonl") == ["ana-1", "boris-1"]


def test_a_star_stands_for_anything(corpus):
    found = remove(Selection(sources=("https://example.org/*",)), [corpus], apply=False)
    assert found.plans[0].gone.sources == {ANA}
    assert found.n_utterances == 7


@pytest.mark.parametrize(
    "selection", [Selection(), Selection(sources=("*",)), Selection(ids=("",)), Selection(licences=(" ",))]
)
def test_a_selection_of_nothing_or_everything_is_refused(corpus, selection):
    before = tree(corpus)
    with pytest.raises(InputError, match=r"say what|would remove everything"):
        remove(selection, [corpus], apply=True)
    assert tree(corpus) == before


def test_another_corpus_that_uses_the_same_ids_is_left_alone(corpus):
    sound(corpus / "other" / "x.wav", 99)
    write(corpus / "other" / "manifest.jsonl", [utterance("ana-1", "x.wav", ""), utterance("ana-2", "x.wav", "vera")])
    remove(Selection(sources=(ANA,)), [corpus], apply=True)
    assert ids(corpus / "other" / "manifest.jsonl") == ["ana-1", "ana-2"]


def test_the_same_audio_under_other_names_goes_too(corpus):
    imported = [
        Utterance(id="utt0", audio="../raw/ana-1.wav", duration=1.0, start=0.5),
        Utterance(id="utt1", audio="../raw/boris-1.wav", duration=1.0),
    ]
    write(corpus / "kaldi" / "manifest.jsonl", imported)
    remove(Selection(sources=(ANA,)), [corpus], apply=True)
    assert ids(corpus / "kaldi" / "manifest.jsonl") == ["utt1"]


def test_a_recording_that_others_are_cut_from_stays(corpus):
    halves = [utterance(f"half-{n}", "../raw/boris-1.wav", f"half {n}", start=float(n), duration=1.0) for n in (0, 1)]
    write(corpus / "halves" / "manifest.jsonl", halves)
    found = remove(Selection(sources=("half 0",)), [corpus], apply=True)
    assert ids(corpus / "halves" / "manifest.jsonl") == ["half-1"]
    assert ids(corpus / "raw" / "manifest.jsonl") == ["ana-1", "ana-2", "boris-1"]
    assert (corpus / "raw" / "boris-1.wav").exists()
    assert any("that stay are cut from it" in why for plan in found.plans for _, why in plan.kept)


def test_nothing_outside_the_folder_is_touched(corpus, tmp_path):
    sound(tmp_path / "elsewhere.wav", 50)
    sound(tmp_path / "linked.wav", 51)
    (corpus / "raw" / "link.wav").symlink_to(tmp_path / "linked.wav")
    write(
        corpus / "raw" / "more.jsonl",
        [
            utterance("e", "../../elsewhere.wav", "vera"),
            utterance("l", "link.wav", "vera"),
            utterance("g", "gone.wav", "vera"),
        ],
    )
    found = remove(Selection(sources=("vera",)), [corpus], apply=True)
    assert (tmp_path / "elsewhere.wav").exists()
    assert (tmp_path / "linked.wav").exists()
    assert not os.path.lexists(corpus / "raw" / "link.wav")
    assert {path.name for plan in found.plans for path, _ in plan.kept} == {"elsewhere.wav", "linked.wav"}


def test_what_was_fetched_is_never_fetched_again(corpus):
    archive = Archive(corpus / "raw" / "archive.jsonl")
    archive.add(Entry("generic https://h/a", Fate.FETCHED, "ana-1", "ana-1.wav", addresses=("https://h/a",)))
    archive.add(Entry("generic https://h/b", Fate.FETCHED, "boris-1", "boris-1.wav", addresses=("https://h/b",)))
    remove(Selection(sources=(ANA,)), [corpus], apply=True)
    kept = Archive(corpus / "raw" / "archive.jsonl")
    assert (kept.find(url="https://h/a").fate, kept.find(url="https://h/a").id) == (Fate.REMOVED, "")
    assert kept.find(url="https://h/b").fate is Fate.FETCHED


def test_reports_that_name_it_are_listed(corpus):
    (corpus / "inventory.csv").write_text("filename,size\nana-1.wav,3\n", encoding="utf-8")
    (corpus / "clean.csv").write_text("filename,size\nboris-1.wav,3\n", encoding="utf-8")
    found = remove(Selection(sources=(ANA,)), [corpus], apply=False)
    assert [path.name for plan in found.plans for path in plan.mentions] == ["inventory.csv"]


def test_what_other_programs_and_texts_by_id_hold_of_it_is_listed(corpus):
    """`data export kaldi` and `data normalize --texts` write files that no manifest names."""
    for name in ("ana-1", "ana-1-0", "boris-1"):
        path = corpus / "texts" / f"{name}.norm.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text("words", encoding="utf-8")
    sound(corpus / "elsewhere" / "ana-1.wav", 99)  # another recording, with a text of its own
    (corpus / "elsewhere" / "ana-1.norm.txt").write_text("other words", encoding="utf-8")
    for name, line in (
        ("text", "ana-1 words\n"),
        ("wav.scp", "x /c/cut/audio/ana-1-0.wav\n"),
        ("utt2spk", "boris-1 b\n"),
    ):
        (corpus / "kaldi").mkdir(exist_ok=True)
        (corpus / "kaldi" / name).write_text(line, encoding="utf-8")
    (found,) = remove(Selection(sources=(ANA,)), [corpus], apply=False).plans
    assert [path.relative_to(corpus).as_posix() for path in found.mentions] == [
        "kaldi/text",
        "kaldi/wav.scp",
        "texts/ana-1-0.norm.txt",
        "texts/ana-1.norm.txt",
    ]


def test_outcomes_that_are_called_by_the_path_of_a_recording_go(corpus):
    """As `data align` keeps them, with the words of the transcript."""
    with Journal(corpus / ".aligned.journal", Stage()) as journal:
        for key in ("audio/ana-1-0.wav", "../raw/ana-2.wav 7", "audio/boris-1-0.wav"):
            journal.keep(Task(key, None), Outcome(key, {"words": [["secret", 0.1, 0.2]]}))
    remove(Selection(sources=(ANA,)), [corpus], apply=True)
    with contextlib.closing(sqlite3.connect(corpus / ".aligned.journal")) as file:
        assert file.execute("select key from outcome").fetchall() == [("audio/boris-1-0.wav",)]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", range(0, 40, 3))
def test_a_removal_that_is_killed_goes_on_or_back(corpus, training, monkeypatch, at):
    before = tree(corpus)
    done, calls = moves._moved, []

    def die(source, target):
        if len(calls) == at:
            raise Killed
        calls.append(source)
        return done(source, target)

    monkeypatch.setattr(moves, "_moved", die)
    selection = Selection(sources=(ANA,))
    with contextlib.suppress(Killed):
        remove(selection, [corpus], apply=True)
    monkeypatch.undo()
    folder = corpus / ".removed" / "1"
    if at % 2 and (folder / "out.jsonl").exists():
        assert carry_out.undo(folder) == ()
        assert tree(corpus) == before
    else:
        remove(selection, [corpus], apply=True)
        assert ids(corpus / "raw" / "manifest.jsonl") == ["boris-1"]
        assert carry_out.undo(folder) == ()
        assert tree(corpus) == before


def test_a_manifest_that_cannot_be_read_stops_everything(corpus):
    path = corpus / "cut" / "manifest.jsonl"
    path.write_bytes(path.read_bytes() + b"{half a li")
    before = tree(corpus)
    with pytest.raises(ManifestError, match="line 5"):
        remove(Selection(sources=(ANA,)), [corpus], apply=True)
    assert tree(corpus) == before


def test_what_was_only_prepared_is_forgotten(corpus):
    (corpus / ".removed" / "1" / "new" / "raw").mkdir(parents=True)
    (corpus / ".removed" / "1" / "new" / "raw" / "manifest.jsonl").write_bytes(b"half")
    (folder,) = remove(Selection(sources=(ANA,)), [corpus], apply=True).folders
    assert folder == corpus / ".removed" / "1"
    assert ids(corpus / "raw" / "manifest.jsonl") == ["boris-1"]


def test_purging_makes_the_cache_of_alignments_forget(corpus, tmp_path, monkeypatch):
    from melisma.audio.decode import SOUND_VERSION
    from melisma.store.cache import open_cache
    from melisma.store.keys import mark_file

    monkeypatch.setenv("MELISMA_CACHE_URL", f"sqlite:///{tmp_path}/cache.sqlite")
    marks = {name: mark_file(corpus / "raw" / f"{name}.wav").content for name in ("ana-1", "boris-1")}
    with open_cache() as cache:
        for content in marks.values():
            cache.remember_sound(content, SOUND_VERSION, content)
    (folder,) = remove(Selection(sources=(ANA,)), [corpus], apply=True).folders
    with open_cache() as cache:
        assert cache.sound_of(marks["ana-1"], SOUND_VERSION)
    carry_out.purge(folder)
    with open_cache() as cache:
        assert cache.sound_of(marks["ana-1"], SOUND_VERSION) is None
        assert cache.sound_of(marks["boris-1"], SOUND_VERSION)


def test_a_run_at_work_with_a_journal_is_waited_for(corpus):
    with Journal(corpus / ".cut.journal", Stage()), pytest.raises(InputError, match="a run is at work"):
        remove(Selection(sources=(ANA,)), [corpus], apply=True)


def test_a_folder_that_cannot_be_listed_stops_everything(corpus, monkeypatch):
    before, listed = tree(corpus), os.scandir

    def refused(path="."):
        if os.path.basename(os.fspath(path)) == "cut":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(InputError, match="cut cannot be listed: Permission denied"):
        remove(Selection(sources=(ANA,)), [corpus], apply=True)
    monkeypatch.undo()
    assert tree(corpus) == before


def test_a_removal_that_came_with_a_corpus_moves_nothing_outside_of_it(corpus, tmp_path):
    (tmp_path / "letters.txt").write_text("mine", encoding="utf-8")
    begun = corpus / ".removed" / "1"
    begun.mkdir(parents=True)
    (begun / "removal.json").write_text("{}", encoding="utf-8")
    said = [{"schema": moves.SCHEMA, "root": "../../.."}, {"from": "letters.txt", "to": "corpus/letters.txt"}]
    (begun / "out.jsonl").write_text("\n".join(map(json.dumps, said)), encoding="ascii")
    with pytest.raises(InputError, match="no file of this corpus"):
        remove(Selection(sources=(ANA,)), [corpus], apply=True)
    with pytest.raises(InputError, match="no file of this corpus"):
        carry_out.undo(begun)
    assert (tmp_path / "letters.txt").is_file()
