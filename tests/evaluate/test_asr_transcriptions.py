"""What `melisma transcribe` writes is read as hypotheses."""

from __future__ import annotations

import json

import pytest

from melisma.core.errors import InputError
from melisma.core.records import Alignment, Line, Word
from melisma.data.manifest import Utterance
from melisma.evaluate.asr_judge import judge
from melisma.evaluate.asr_transcriptions import read
from melisma.pipeline import transcript_files
from melisma.pipeline.transcript_files import About


def said(name, audio, text="dobro jutro svima"):
    words = [{"text": word, "start": k, "end": k + 0.5} for k, word in enumerate(text.split())]
    return Utterance.model_validate(
        {"id": name, "audio": audio, "duration": 4.0, "transcript": text, "language": "hr", "words": words}
    )


def transcribe(folder, file_id, audio=""):
    """Write what is written of a recording in which the second word has no time."""
    words = (Word("Dobro", 0, 100, 500, 0.9), Word("jutro,", 0, None, None), Word("svima!", 0, 2050, 2500, 0.8))
    timed = Alignment(words, (Line(0, 3),), 4000, language="hr")
    transcript_files.write(folder / file_id, transcript_files.files(timed, About(file_id, audio)))


def test_transcriptions_are_found_by_id_and_by_the_name_of_their_recording(tmp_path):
    transcribe(tmp_path, "u1")
    transcribe(tmp_path, "01-Djurdjevdan", "01 Đurđevdan.mp3")
    transcribe(tmp_path, "strange")
    utterances = [said("u1", "a.wav"), said("corpus/7", "songs/01 Đurđevdan.wav")]
    found, digest = read(tmp_path, utterances)
    assert set(found) == {"u1", "corpus/7", "strange"}
    assert len(digest) == 64
    judged = judge(utterances[0], found["u1"])
    assert judged.scores.words.errors == 0
    assert (judged.times.n_words, len(judged.times.onsets)) == (3, 2)
    assert judged.times.onsets == pytest.approx([0.1, 0.05])


def test_a_recording_that_two_utterances_lie_in_names_neither(tmp_path):
    transcribe(tmp_path, "a", "a.wav")
    assert set(read(tmp_path, [said("x", "a.wav"), said("y", "a.wav")])[0]) == {"a"}


def test_two_of_one_utterance_are_refused(tmp_path):
    transcribe(tmp_path, "u1")
    transcribe(tmp_path, "again", "a.wav")
    with pytest.raises(InputError, match="the second transcription of 'u1'"):
        read(tmp_path, [said("u1", "a.wav")])


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"file_id": ""}', '{"file_id": "a"}', '{"file_id": "a", "words": 3}', "ÿ"]
)
def test_another_record_is_refused(tmp_path, text):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "transcription_base.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"transcription_base\.json is no transcription"):
        read(tmp_path, [])


def test_a_folder_without_transcriptions_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "other.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match="holds no <file_id>"):
        read(tmp_path, [])
