import json

import pytest

from melisma.core.errors import InputError
from melisma.text import espeak
from melisma.text.g2p import EspeakG2P
from melisma.train.texts import Text, corpus_texts, cyrillic, own_texts


def manifest(tmp_path, *rows):
    path = tmp_path / "manifest.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def row(name, words="see me", language="en"):
    return {
        **{"id": name, "transcript": words, "language": language, "speaker_id": "s"},
        **{"license": "CC0-1.0", "source": "somewhere"},
    }


@pytest.mark.parametrize("language", ["hr", "sr", "bs"])
def test_there_are_enough_different_sentences(language):
    words = [text.words for text in own_texts() if text.language == language]
    assert len(words) >= 120
    assert len(set(words)) == len(words)


def test_every_language_of_ours_has_a_voice_and_every_word_a_sound():
    g2p = EspeakG2P()
    for text in own_texts():
        espeak.voice_code(text.language)
        assert all(g2p.phones(word, text.language) for word in text.words.split()), text


def test_serbian_is_read_in_both_alphabets_with_the_same_sounds():
    words = [text.words for text in own_texts() if text.language == "sr"]
    latin, other = words[: len(words) // 2], words[len(words) // 2 :]
    assert [cyrillic(line) for line in latin] == other
    g2p = EspeakG2P()
    for line, twin in list(zip(latin, other, strict=True))[:10]:
        pairs = zip(line.split(), twin.split(), strict=True)
        assert all(g2p.phones(a, "sr") == g2p.phones(b, "sr") for a, b in pairs)


def test_cyrillic_keeps_case_and_what_is_no_letter_of_it():
    assert cyrillic("Njiva, LJUBAV i wc 7") == "Њива, ЉУБАВ и wц 7"


def test_transcripts_of_the_named_clips_come_once_each(tmp_path):
    path = manifest(tmp_path, row("a"), row("b"), row("c", "no tea"), row("d", "not this"))
    found = corpus_texts(path, {"a", "b", "c"})
    assert found == [Text("en", words, "CC0-1.0", "somewhere") for words in ("see me", "no tea")]


def test_an_id_that_is_not_in_the_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no clip 'z' \(1 of 2 ids are not there\)"):
        corpus_texts(manifest(tmp_path, row("a")), ["a", "z"])
