"""Corpora as others wrote them: read as they are meant, and refused where they would have something run or leave."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from melisma.core.errors import InputError, ManifestError
from melisma.data import manifest
from melisma.data.exchange.drafts import Defaults
from melisma.data.exchange.kinds import Kind, import_corpus
from melisma.data.index import Index
from melisma.scale.local import LocalExecutor


def tone(path: Path, seconds: float = 2.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(seconds * 8000), np.float32), 8000)


@pytest.fixture
def folder(tmp_path):
    """Write files of a corpus, text or bytes, with two recordings of two seconds."""

    def make(**files: str | bytes) -> Path:
        place = tmp_path / "corpus"
        for name in ("a.wav", "wavs/b.wav", "clips/c.wav"):
            tone(place / name)
        for name, data in files.items():
            path = place / name.replace("__", ".")
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return place

    return make


def imported(kind: Kind, source: Path, **defaults) -> list[manifest.Utterance]:
    out = source.parent / "out.jsonl" if source.is_dir() else source.parent.parent / "out.jsonl"
    _, told = import_corpus(kind, source, out, Defaults(**defaults), executor=LocalExecutor(1))
    assert not told.problems
    return list(manifest.read(out))


# Kaldi


def test_kaldi_without_segments(folder):
    place = folder(
        wav__scp="u1 a.wav\nu2\twavs/b.wav\n",
        text="u1 dobar  dan\n",
        utt2spk="u1 ana\nu2 u2\n",
        spk2gender="ana f\n",
        utt2uniq="u1 u1\nu2 u1\n",
    )
    first, second = imported(Kind.KALDI, place, language="hr")
    assert (first.id, first.audio, first.duration, first.transcript) == ("u1", "corpus/a.wav", 2.0, "dobar  dan")
    assert (first.speaker_id, first.language, first.model_extra) == ("ana", "hr", {"gender": "f"})
    assert (second.speaker_id, second.transcript, second.model_extra) == ("", "", {"clip_of": "u1"})


def test_kaldi_segments_and_an_end_that_is_the_end(folder):
    place = folder(wav__scp="r a.wav\n", segments="u1 r 0.25 1.5\nu2 r 1.5 -1\n", spk2utt="ana u1 u2\n")
    first, second = imported(Kind.KALDI, place)
    assert (first.start, first.duration, first.speaker_id) == (0.25, 1.25, "ana")
    assert (second.start, second.duration, second.speaker_id) == (1.5, 0.5, "ana")


def test_kaldi_tables_that_are_not_sorted(folder):
    place = folder(wav__scp="z a.wav\na wavs/b.wav\n", text="z zet\na a\n", utt2dur="a 2.0\nz 2.0\n")
    assert [(each.id, each.transcript) for each in imported(Kind.KALDI, place)] == [("z", "zet"), ("a", "a")]


@pytest.mark.parametrize(
    "said",
    ["touch {0} |", "cat a.wav |", "sph2pipe -f wav $(touch {0}) a.sph |", "| touch {0}", "`touch {0}`|", "|"],
)
def test_kaldi_commands_are_refused_and_never_run(folder, tmp_path, said):
    mark = tmp_path / "was-run"
    place = folder(wav__scp=f"u0 a.wav\nu1 {said.format(mark)}\n")
    with pytest.raises(ManifestError, match=r"wav\.scp, line 2: gives audio by a command, which is not run"):
        imported(Kind.KALDI, place)
    assert not mark.exists()
    assert not (tmp_path / "out.jsonl").exists()


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({"wav__scp": "u1 -\n"}, "line 1: reads standard input"),
        ({"wav__scp": "u1\n"}, "line 1: names no file"),
        ({"wav__scp": "u1 data/raw.ark:12\n"}, "line 1: gives audio as part of an archive"),
        ({"wav__scp": "u a.wav\nu a.wav\n"}, "line 2: 'u' is in line 1 already"),
        ({"wav__scp": b"u \xff.wav\n"}, "line 1: is not UTF-8 at byte 3"),
        ({"wav__scp": b"u a\0.wav\n"}, "line 1: holds a zero byte"),
        ({"wav__scp": b"u " + b"x" * (1 << 20)}, "line 1: is longer than a line"),
        ({"wav__scp": "r a.wav\n", "segments": "u r 1\n"}, "segments, line 1: is no segment"),
        ({"wav__scp": "r a.wav\n", "segments": "u r 2 1\n"}, "segments, line 1: ends at 1 s, starts at 2 s"),
        ({"wav__scp": "r a.wav\n", "segments": "u r nan 1\n"}, "segments, line 1: ends at"),
        ({"wav__scp": "r a.wav\n", "segments": "u r x 1\n"}, "segments, line 1: start and end must be seconds"),
        ({"wav__scp": "r a.wav\n", "segments": "u q 0 1\n"}, "there is no recording 'q' in wav.scp"),
        ({"wav__scp": "u a.wav\n", "utt2dur": "u long\n"}, "utt2dur: u: 'long' is no number"),
        ({"wav__scp": "u a.wav\n", "utt2dur": "u -1\n"}, "duration: Input should be greater than 0"),
        ({"wav__scp": "u a.wav\n", "utt2original": "u {]\n"}, "is no name in JSON"),
        ({"text": "u a\n"}, "it has no wav.scp"),
    ],
)
def test_kaldi_faults_are_named(folder, tmp_path, files, why):
    with pytest.raises(InputError, match=why):
        imported(Kind.KALDI, folder(**files))
    assert not (tmp_path / "out.jsonl").exists()


def test_audio_that_is_missing_or_none_is_told_and_left_out(folder, tmp_path):
    place = folder(wav__scp="u1 a.wav\nu2 gone.wav\nu3 text\nu4 wavs/b.wav\n", text="u1 x\n")
    n, told = import_corpus(Kind.KALDI, place, tmp_path / "out.jsonl", Defaults(), executor=LocalExecutor(1))
    assert n == 2
    assert [(each.item, each.kind) for each in told.problems] == [("u2", "missing"), ("u3", "unreadable")]
    assert [each.id for each in manifest.read(tmp_path / "out.jsonl")] == ["u1", "u4"]


def test_paths_start_where_they_are_said_to(folder, tmp_path):
    place = folder(wav__scp="u b.wav\n")
    (each,) = imported(Kind.KALDI, place, audio_root=place / "wavs")
    assert each.audio == "corpus/wavs/b.wav"


def test_a_segment_behind_the_end_is_told(folder, tmp_path):
    place = folder(wav__scp="r a.wav\n", segments="u r 9 -1\n")
    n, told = import_corpus(Kind.KALDI, place, tmp_path / "out.jsonl", Defaults(), executor=LocalExecutor(1))
    assert n == 0
    assert told.problems[0].message == "starts at 9.0 s, its recording lasts 2.000 s"


# Common Voice

HEAD = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccents\tlocale\tsegment\n"


def test_common_voice(folder):
    row = 'f00\tc.wav\t"Tko si ti?", reče.\t2\t0\ttwenties\tfemale_feminine\tdalmatinski\thr\t\n'
    (each,) = imported(Kind.COMMON_VOICE, folder(validated__tsv="\ufeff" + HEAD + row))
    assert (each.id, each.audio, each.duration) == ("c", "corpus/clips/c.wav", 2.0)
    assert (each.transcript, each.language, each.speaker_id) == ('"Tko si ti?", reče.', "hr", "f00")
    assert (each.license, each.source) == ("CC0-1.0", "Common Voice")
    assert each.model_extra == {
        "age": "twenties",
        "gender": "female_feminine",
        "accents": "dalmatinski",
        "up_votes": 2,
        "down_votes": 0,
    }


def test_common_voice_lengths_spare_measuring(folder):
    row = "f00\tc.wav\tda\t2\t0\t\t\t\thr\t\n"
    place = folder(validated__tsv=HEAD + row, clip_durations__tsv="clip\tduration[ms]\nc.wav\t1987\n")
    assert imported(Kind.COMMON_VOICE, place)[0].duration == 1.987


@pytest.mark.parametrize(
    ("table", "why"),
    [
        (HEAD + "x\t../a.wav\tda\n", r"line 2: '\.\./a\.wav' is no name of a clip"),
        (HEAD + "x\t/etc/passwd\tda\n", "line 2: '/etc/passwd' is no name of a clip"),
        (HEAD + "x\t..\tda\n", "is no name of a clip"),
        (HEAD + "x\t\tda\n", "is no name of a clip"),
        (HEAD + "\t" * 12 + "\n" + "x" + "\t" * 12 + "\n", "line 3: has 13 columns, the first line has 10"),
        ("a,b\n", "line 1: has no column 'path'"),
        ("", "has no column 'path'"),
    ],
)
def test_common_voice_faults_are_named(folder, table, why):
    with pytest.raises(InputError, match=why):
        imported(Kind.COMMON_VOICE, folder(validated__tsv=table))


def test_a_folder_without_tables_says_so(folder):
    with pytest.raises(InputError, match=r"holds none of validated\.tsv"):
        imported(Kind.COMMON_VOICE, folder())


# LJ


def test_lj(folder):
    (each,) = imported(
        Kind.LJ, folder(metadata__csv='b|He said "1|He said one\r\n'), language="en", license="Public-Domain"
    )
    assert (each.id, each.audio, each.duration, each.speaker_id) == ("b", "corpus/wavs/b.wav", 2.0, "corpus")
    assert (each.transcript, each.language, each.license) == ('He said "1', "en", "Public-Domain")
    assert each.model_extra == {"norm": "He said one"}


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("b\n", "line 1: has 1 columns"),
        ("b|x\n../a|x\n", r"line 2: '\.\./a' is no name of a file"),
        ("b|a|b|c\n", "has 4 columns"),
    ],
)
def test_lj_faults_are_named(folder, table, why):
    with pytest.raises(ManifestError, match=why):
        imported(Kind.LJ, folder(metadata__csv=table))


# lhotse


def cut(**changes) -> dict:
    recording = {"id": "r", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}], "sampling_rate": 8000}
    recording |= {"num_samples": 16000, "duration": 2.0} | changes.pop("recording", {})
    said = {
        "id": "s",
        "recording_id": "r",
        "start": 0.25,
        "duration": 0.5,
        "channel": 0,
        "text": "da",
        "speaker": "ana",
    }
    said |= changes.pop("supervision", {})
    return {
        "id": "c",
        "start": 1.0,
        "duration": 1.0,
        "channel": 0,
        "supervisions": [said],
        "recording": recording,
        "type": "MonoCut",
    } | changes


def test_lhotse_cuts(folder):
    words = {"alignment": {"word": [["da", 1.3, 0.2, 0.9]]}, "custom": {"license": "CC0-1.0", "snr": 3}}
    (each,) = imported(Kind.LHOTSE, folder(cuts__jsonl=json.dumps(cut(supervision=words))))
    assert (each.id, each.start, each.duration, each.transcript) == ("s", 1.25, 0.5, "da")
    assert [(w.text, w.start, w.end) for w in each.words] == [("da", 0.05, 0.25)]
    assert (each.speaker_id, each.license, each.model_extra) == ("ana", "CC0-1.0", {"snr": 3})


def test_lhotse_cuts_without_supervision_and_of_a_part_of_one(folder):
    bare = cut(id="bare", supervisions=[])
    overlapping = cut(id="over", supervision={"id": "t", "start": -0.5, "duration": 2.0})
    first, second = imported(Kind.LHOTSE, folder(cuts__jsonl="\n".join(map(json.dumps, (bare, overlapping)))))
    assert (first.id, first.start, first.duration, first.transcript) == ("bare", 1.0, 1.0, "")
    assert (second.id, second.start, second.duration) == ("t", 1.0, 1.0)


def test_lhotse_supervisions_beside_recordings(folder):
    whole = cut()
    place = folder(
        train_recordings__jsonl__gz=gzip.compress(json.dumps(whole["recording"]).encode()),
        train_supervisions__jsonl__gz=gzip.compress(json.dumps(whole["supervisions"][0]).encode()),
    )
    for source in (place, place / "train_supervisions.jsonl.gz"):
        (each,) = imported(Kind.LHOTSE, source)
        assert (each.id, each.start, each.duration) == ("s", 0.25, 0.5)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        (
            {"sources": [{"type": "command", "channels": [0], "source": "touch {0}"}]},
            "is no file but 'command': refused",
        ),
        ({"sources": [{"type": "url", "channels": [0], "source": "http://x/a.wav"}]}, "is no file but 'url'"),
        ({"sources": [{"type": "memory", "channels": [0], "source": "AAAA"}]}, "is no file but 'memory'"),
        ({"sources": []}, "is no file but nothing"),
        ({"sources": [{"type": "file", "channels": [0], "source": {"a": 1}}]}, "has no name"),
        ({"transforms": [{"name": "Speed", "kwargs": {"factor": 1.1}}]}, "is changed as it is read"),
    ],
)
def test_lhotse_audio_that_is_no_file_is_refused(folder, tmp_path, changes, why):
    mark = tmp_path / "was-run"
    text = json.dumps(cut(recording=changes)).replace("{0}", str(mark))
    with pytest.raises(ManifestError, match=rf"cuts\.jsonl, line 1: .*{why}"):
        imported(Kind.LHOTSE, folder(cuts__jsonl=text))
    assert not mark.exists()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (json.dumps({"id": "m", "tracks": [], "type": "MixedCut"}), "type: Input should be 'MonoCut' or 'MultiCut'"),
        ("{", "line 1: Invalid JSON"),
        (json.dumps(cut(start=-5.0)), "start: Input should be greater than or equal to 0"),
        (json.dumps(cut(supervision={"alignment": {"word": [["da"]]}})), "words: 0: text"),
        (json.dumps(cut(supervision={"start": 3.0})), "duration: Input should be greater than 0"),
    ],
)
def test_lhotse_faults_are_named(folder, data, why):
    with pytest.raises(ManifestError, match=why):
        imported(Kind.LHOTSE, folder(cuts__jsonl=data))


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"{}" * 50)[:-9]])
def test_lhotse_archives_that_are_damaged_are_named(folder, data):
    with pytest.raises(ManifestError, match=r"cannot be unpacked|Invalid JSON"):
        imported(Kind.LHOTSE, folder(cuts__jsonl__gz=data))


# Hugging Face


def test_hugging_face_folders_that_are_none(folder):
    pytest.importorskip("datasets")
    with pytest.raises(InputError, match="is no data set that was saved to disk"):
        imported(Kind.HUGGINGFACE, folder())


def test_hugging_face_audio_elsewhere_is_not_fetched(tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list([{"audio": "https://example.org/a.wav"}]).save_to_disk(str(tmp_path / "set"))
    with pytest.raises(ManifestError, match="its audio lies elsewhere"):
        import_corpus(Kind.HUGGINGFACE, tmp_path / "set", tmp_path / "m.jsonl", Defaults())
    datasets.Dataset.from_list([{"sound": "a.wav"}]).save_to_disk(str(tmp_path / "none"))
    with pytest.raises(InputError, match="has no column of audio, but sound"):
        import_corpus(Kind.HUGGINGFACE, tmp_path / "none", tmp_path / "m.jsonl", Defaults())


def test_what_is_not_there_says_so(tmp_path):
    with pytest.raises(InputError, match="there is no "):
        import_corpus(Kind.KALDI, tmp_path / "none", tmp_path / "m.jsonl", Defaults())


# Ids that come again


def test_an_id_that_comes_again_gets_a_number_and_is_told(folder, tmp_path):
    place = folder(table__tsv="client_id\tpath\tsentence\nana\tc.wav\tone\nben\tc.flac\ttwo\nmia\tc-2.wav\tthree\n")
    tone(place / "clips" / "c.flac")
    tone(place / "clips" / "c-2.wav")
    out = tmp_path / "out.jsonl"
    n, told = import_corpus(Kind.COMMON_VOICE, place / "table.tsv", out, Defaults(), executor=LocalExecutor(1))
    assert [(each.id, each.transcript) for each in manifest.read(out)] == [
        ("c", "one"),
        ("c-2", "two"),
        ("c-2-2", "three"),
    ]
    assert (n, told.n, told.n_renamed) == (3, 0, 2)
    assert [(each.item, each.kind) for each in told.problems] == [("c", "id"), ("c-2", "id")]
    assert "that of table.tsv, line 3 is called 'c-2' here" in told.problems[0].message
    Index.open(out).refuse_duplicates()


def test_two_who_read_one_sentence_keep_their_own_sound(folder, tmp_path):
    """FLEURS has one id for a sentence, whoever reads it."""
    datasets = pytest.importorskip("datasets")
    place = folder()
    tone(place / "longer.wav", 3.0)
    read = [(place / name).read_bytes() for name in ("a.wav", "longer.wav")]
    kinds = datasets.Features(
        {
            "id": datasets.Value("int64"),
            "audio": {"path": datasets.Value("string"), "bytes": datasets.Value("binary")},
            "transcription": datasets.Value("string"),
        }
    )
    rows = [{"id": 17, "audio": {"path": "x.wav", "bytes": data}, "transcription": "dobar dan"} for data in read]
    datasets.Dataset.from_list(rows, features=kinds).save_to_disk(str(tmp_path / "set"))
    out = tmp_path / "out.jsonl"
    for _ in range(2):  # what is written out already stays where it is
        _, told = import_corpus(Kind.HUGGINGFACE, tmp_path / "set", out, Defaults(), executor=LocalExecutor(1))
        lines = list(manifest.read(out))
        assert [(each.id, each.duration) for each in lines] == [("17", 2.0), ("17-2", 3.0)]
        assert [manifest.audio_path(out, each).read_bytes() for each in lines] == read
        assert told.n_renamed == 1
