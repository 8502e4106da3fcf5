"""Out and back: what each layout can say comes home unchanged, odd names and all."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError
from melisma.data import manifest
from melisma.data.exchange.drafts import Defaults
from melisma.data.exchange.kinds import Kind, export_manifest, import_corpus
from melisma.data.index import Index
from melisma.data.manifest import Utterance
from melisma.scale.local import LocalExecutor

# Names that have broken one program or another.
NAMES = [
    "plain",
    "Čeh, Đuro",
    "two  spaces",
    "50%41",
    "a;rm -rf ~",
    "$(date)",
    "-n",
    "日本",
    "quote'\"",
    "a:1",
    "x.ark",
    "é",
]


def tone(path: Path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.sin(np.arange(int(seconds * 8000)) / 20).astype(np.float32) / 4, 8000)


@pytest.fixture
def corpus(tmp_path):
    """A file for each name, said by two speakers whose names are odd too, and one whom nobody knows."""
    rows = []
    for k, name in enumerate(NAMES):
        tone(tmp_path / "in" / "clips" / f"{name}.wav", 1 + k / 8)
        rows.append(
            Utterance(
                id=name,
                audio=f"clips/{name}.wav",
                duration=1 + k / 8,
                transcript=f"rečenica broj {k}",
                language=("hr", "sr-Latn", "und")[k % 3],
                speaker_id=("Ana Anić", "b/2", "")[k % 3],
                license="CC-BY-NC-4.0",
                source="made here",
            )
        )
    manifest.write(tmp_path / "in" / "m.jsonl", rows)
    return tmp_path / "in" / "m.jsonl"


def there_and_back(kind: Kind, source: Path, folder: Path) -> dict[str, Utterance]:
    out = folder / "out" / "m.jsonl"
    n = export_manifest(kind, source, folder / "exported", executor=LocalExecutor(1))
    made, told = import_corpus(kind, folder / "exported", out, Defaults(), executor=LocalExecutor(1))
    assert (made, told.n) == (n, 0), told.problems
    for each in manifest.read(out):
        assert (out.parent / each.audio).is_file()
    return {each.id: each for each in manifest.read(out)}


def same(found: dict[str, Utterance], source: Path, *but: str) -> None:
    wanted = {each.id: each for each in manifest.read(source)}
    assert found.keys() == wanted.keys()
    for name, each in wanted.items():
        ours, theirs = each.model_dump(exclude={"audio", *but}), found[name].model_dump(exclude={"audio", *but})
        assert theirs == ours


def parts(corpus: Path) -> Path:
    """Two utterances of one recording, with words, a recording's name and fields of others."""
    words = [{"text": "dva", "start": 0.0, "end": 0.2}, {"text": "tri", "start": 0.25, "end": 0.4}]
    more = {"recording_id": "tape 1", "snr_db": 21.5, "tags": ["a", {"b": None}]}
    manifest.write(
        corpus,
        [
            *manifest.read(corpus),
            Utterance(id="first", audio="clips/plain.wav", duration=0.4, transcript="jedan", **more),
            Utterance(id="second", audio="clips/plain.wav", start=0.4375, duration=0.5, words=words, **more),
        ],
    )
    return corpus


def test_kaldi(corpus, tmp_path):
    found = there_and_back(Kind.KALDI, parts(corpus), tmp_path)
    same(found, corpus, "words", "snr_db", "tags")
    assert {each.audio for each in found.values()} == {f"../in/clips/{name}.wav" for name in NAMES}


def test_lhotse(corpus, tmp_path):
    same(there_and_back(Kind.LHOTSE, parts(corpus), tmp_path), corpus)


def test_hugging_face(corpus, tmp_path):
    pytest.importorskip("datasets")
    same(there_and_back(Kind.HUGGINGFACE, parts(corpus), tmp_path), corpus)


def test_common_voice(corpus, tmp_path):
    found = there_and_back(Kind.COMMON_VOICE, corpus, tmp_path)
    same(found, corpus)


def test_lj(corpus, tmp_path):
    one_voice = [each.changed(id=Path(each.audio).stem, speaker_id="exported") for each in manifest.read(corpus)]
    manifest.write(corpus, one_voice)
    found = there_and_back(Kind.LJ, corpus, tmp_path)
    same(found, corpus, "language", "license", "source", "norm")


def test_kaldi_folders_are_sorted_as_its_scripts_check(corpus, tmp_path):
    export_manifest(Kind.KALDI, parts(corpus), tmp_path / "k")
    for table in (tmp_path / "k").iterdir():
        lines = table.read_bytes().splitlines(keepends=True)
        assert lines == sorted(lines), table.name
        assert len({line.split()[0] for line in lines}) == len(lines), table.name
    pairs = [line.split() for line in (tmp_path / "k" / "utt2spk").read_text().splitlines()]
    assert pairs == sorted(pairs, key=lambda pair: (pair[1].encode(), pair[0].encode()))
    turned = [
        (u, line.split()[0]) for line in (tmp_path / "k" / "spk2utt").read_text().splitlines() for u in line.split()[1:]
    ]
    assert sorted(turned) == sorted((u, s) for u, s in pairs)


def test_lhotse_itself_reads_what_is_written(corpus, tmp_path):
    pytest.importorskip("lhotse")
    export_manifest(Kind.LHOTSE, parts(corpus), tmp_path / "l", executor=LocalExecutor(1))
    program = f"""
import warnings; warnings.simplefilter("ignore")
from lhotse import CutSet, RecordingSet, SupervisionSet, validate
folder = {str(tmp_path / "l")!r}
cuts = CutSet.from_file(folder + "/cuts.jsonl.gz")
recordings = RecordingSet.from_file(folder + "/recordings.jsonl.gz")
supervisions = SupervisionSet.from_file(folder + "/supervisions.jsonl.gz")
validate(cuts, read_data=True); validate(recordings, read_data=True); validate(supervisions)
again = CutSet.from_manifests(recordings, supervisions).trim_to_supervisions(keep_overlapping=False)
said = {{each.supervisions[0].id: (each.start, each.duration) for each in again}}
assert said == {{each.id: (each.start, each.duration) for each in cuts}}
word = [each for each in supervisions if each.id == "second"][0].alignment["word"][1]
assert abs(word.start - (0.4375 + 0.25)) < 1e-9, word
print(len(cuts), len(recordings))
"""
    done = subprocess.run(["python", "-c", program], capture_output=True, text=True, check=False, env=_path())
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == [str(len(NAMES) + 2), str(len(NAMES))]


def _path() -> dict[str, str]:
    import os
    import sys

    return os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


@pytest.mark.parametrize("kind", list(Kind))
def test_nothing_is_written_over_and_nothing_is_left_after_a_fault(kind, corpus, tmp_path):
    if kind is Kind.HUGGINGFACE:
        pytest.importorskip("datasets")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine").write_text("")
    with pytest.raises(InputError, match="is there already"):
        export_manifest(kind, corpus, tmp_path / "there", executor=LocalExecutor(1))
    manifest.write(corpus, [*manifest.read(corpus), Utterance(id="gone", audio="gone.wav", duration=1)])
    if kind is not Kind.KALDI:  # which names audio and does not look at it
        with pytest.raises(InputError, match="gone"):
            export_manifest(kind, corpus, tmp_path / "new", executor=LocalExecutor(1))
        assert sorted(each.name for each in tmp_path.iterdir()) == ["in", "there"]


@pytest.mark.parametrize(
    ("kind", "fields", "why"),
    [
        (Kind.COMMON_VOICE, {"start": 0.5}, "is a part of its recording"),
        (Kind.COMMON_VOICE, {"transcript": "a\tb"}, "a tab or a newline"),
        (Kind.COMMON_VOICE, {"id": "other"}, r"is the recording of 'plain' and of 'other'"),
        (Kind.LJ, {"transcript": "a|b"}, r"a \|, a newline"),
        (Kind.LJ, {"start": 0.5}, "is no WAV of its own"),
        (Kind.LJ, {"audio": "clips/a.mp3"}, "is no WAV of its own"),
        (Kind.KALDI, {"audio": "clips/rm -rf |"}, "would not read the recording of 'new' as a file"),
        (Kind.KALDI, {"audio": "clips/a\nb.wav"}, "would not read the recording of 'new' as a file"),
        (Kind.KALDI, {"audio": "clips/a.ark:5"}, "would not read the recording of 'new' as a file"),
    ],
)
def test_what_a_layout_cannot_say_is_told(kind, fields, why, corpus, tmp_path):
    new = Utterance(**({"id": "new", "audio": "clips/plain.wav", "duration": 0.5} | fields))
    manifest.write(corpus, [next(manifest.read(corpus)), new])
    with pytest.raises(InputError, match=why):
        export_manifest(kind, corpus, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_same_manifest_gives_lhotse_the_same_bytes(corpus, tmp_path):
    for name in ("a", "b"):
        export_manifest(Kind.LHOTSE, corpus, tmp_path / name, executor=LocalExecutor(1))
    for each in (tmp_path / "a").iterdir():
        assert each.read_bytes() == (tmp_path / "b" / each.name).read_bytes()


def test_sound_that_lies_in_a_data_set_is_written_out_as_it_is(tmp_path):
    datasets = pytest.importorskip("datasets")
    tone(tmp_path / "a.wav")
    data = (tmp_path / "a.wav").read_bytes()
    rows = [
        {"audio": {"path": "../../up.wav", "bytes": data}, "sentence": "dobar dan", "client_id": "x", "up_votes": 2}
    ]
    kinds = datasets.Features(
        {
            "audio": {"path": datasets.Value("string"), "bytes": datasets.Value("binary")},
            "sentence": datasets.Value("string"),
            "client_id": datasets.Value("string"),
            "up_votes": datasets.Value("int64"),
        }
    )
    made = datasets.DatasetDict({"train": datasets.Dataset.from_list(rows, features=kinds)})
    made.save_to_disk(str(tmp_path / "set"))
    n, _ = import_corpus(
        Kind.HUGGINGFACE, tmp_path / "set", tmp_path / "out" / "m.jsonl", Defaults("hr"), executor=LocalExecutor(1)
    )
    (each,) = manifest.read(tmp_path / "out" / "m.jsonl")
    assert n == 1
    assert (each.transcript, each.speaker_id, each.language, each.duration) == ("dobar dan", "x", "hr", 1.0)
    assert each.model_extra == {"split": "train", "up_votes": 2}
    assert each.audio == "m_audio/train/train-1.wav"
    assert (tmp_path / "out" / each.audio).read_bytes() == data


def test_index_of_what_came_back_is_sound(corpus, tmp_path):
    there_and_back(Kind.KALDI, corpus, tmp_path)
    index = Index.open(tmp_path / "out" / "m.jsonl")
    index.refuse_duplicates()
    assert json.loads(index.raw(0))["license"] == "CC-BY-NC-4.0"
