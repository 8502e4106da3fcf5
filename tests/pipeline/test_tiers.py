"""Which engines are tried, in which order, and which are refused before any audio is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engine_faults import OtherPhone

from melisma.core import plugins
from melisma.core.errors import EngineUnavailable, InputError, LicenceError, NoEngine, UnknownName
from melisma.engines.protocol import Licence, Task
from melisma.pipeline import tiers
from melisma.pipeline.flags import flags_at
from melisma.pipeline.settings import AUTO, LicenceMode
from melisma.text.lyrics import from_text

LONG, SHORT = from_text("all the words of a song"), from_text("la la la")
NON_COMMERCIAL = {"licence": Licence("CC-BY-NC-4.0", commercial=False)}


class Hearing(OtherPhone):
    """Says of itself that it hears words."""

    name = "hearing"
    changes = {"task": Task.TRANSCRIBE}  # noqa: RUF012


def test_the_built_in_order_places_before_it_hears_and_strangers_come_last(install, settings):
    install(OtherPhone)
    order = tiers.order(LONG, settings)
    assert order[0] == "phone"
    assert order[-1] == "other"
    assert set(order) == set(plugins.names(plugins.ENGINES))
    known = [name for name in order if name in tiers.ORDER]
    assert known == sorted(known, key=tiers.ORDER.index)


def test_every_name_of_the_order_is_an_engine_of_ours(settings):
    """A name that is misspelt would never be tried."""
    from importlib.metadata import distribution

    ours = {point.name for point in distribution("melisma").entry_points if point.group == plugins.ENGINES}
    assert set(tiers.ORDER) <= ours


def test_few_known_words_go_to_those_who_hear_words_first(install, settings):
    install(OtherPhone, Hearing)
    order = tiers.order(SHORT, settings)
    assert order.index("hearing") < order.index("phone")
    assert set(order) == set(tiers.order(LONG, settings))
    assert tiers.order(LONG, settings).index("hearing") > tiers.order(LONG, settings).index("phone")


def test_without_lyrics_only_those_who_hear_words_are_asked(install, settings):
    install(OtherPhone, Hearing)
    order = tiers.order(None, settings)
    assert "hearing" in order
    assert not {"phone", "other"} & set(order)


def test_a_configured_order_is_taken_as_it_stands(install, settings):
    install(OtherPhone, Hearing)
    settings = replace(settings, tiers=("hearing", "phone"))
    assert tiers.order(LONG, settings) == tiers.order(SHORT, settings) == ("hearing", "phone")
    assert tiers.order(None, settings) == ("hearing",)


def test_an_unknown_name_is_refused(settings):
    with pytest.raises(UnknownName, match=r"no engine is called 'ears'; there are: auto, .*phone"):
        tiers.check("ears", settings)
    with pytest.raises(UnknownName, match="'ears'"):
        tiers.check("auto", replace(settings, tiers=("phone", "ears")))
    with pytest.raises(UnknownName, match="'ears'"):
        tiers.check("auto", replace(settings, engine="ears"))


def test_commercial_use_refuses_what_forbids_it(install, settings):
    install(OtherPhone).changes = NON_COMMERCIAL
    tiers.check("other", settings)
    commercial = replace(settings, licence_mode=LicenceMode.COMMERCIAL)
    with pytest.raises(LicenceError, match=r"'other' is licensed CC-BY-NC-4.0, which forbids commercial use"):
        tiers.check("other", commercial)
    with pytest.raises(LicenceError, match="MELISMA_LICENSE_MODE is commercial"):
        tiers.usable("other", commercial, chosen=False)
    tiers.check("phone", commercial)


def test_a_baseline_is_for_those_who_name_it(install, settings):
    install(OtherPhone).changes = {"baseline": True}
    with pytest.raises(EngineUnavailable, match="baseline"):
        tiers.usable("other", settings, chosen=False)
    assert tiers.usable("other", settings, chosen=True).facts.name == "other"


def test_what_an_engine_lacks_is_said(install, settings):
    install(OtherPhone).lacking = "pip install 'melisma[ctc]'"
    with pytest.raises(EngineUnavailable, match=r"melisma\[ctc\]") as caught:
        tiers.usable("other", settings, chosen=True)
    assert caught.value.lasting


def test_where_nothing_hears_words_it_is_said_of_each_why(install, settings):
    some = replace(settings, tiers=("phone", "hearing"))
    hearing = install(Hearing)
    hearing.lacking = "a model"
    with pytest.raises(NoEngine, match=r"hears words, and none gave a result \(hearing: a model\)"):
        tiers.check_hears(AUTO, some)
    with pytest.raises(EngineUnavailable, match="a model"):
        tiers.check_hears("hearing", some)
    hearing.lacking = None
    tiers.check_hears(AUTO, some)
    tiers.check_hears("hearing", some)


def test_an_engine_that_is_switched_off_is_not_used(install, settings):
    install(OtherPhone)
    flags_at(settings.flags).switch("other", False)
    with pytest.raises(EngineUnavailable, match="melisma engines enable other"):
        tiers.usable("other", settings, chosen=True)
    flags_at(settings.flags).switch("other", True)
    assert tiers.usable("other", settings, chosen=True).facts.name == "other"


def test_a_setting_of_one_engine_that_cannot_be_does_not_keep_others_from_hearing(settings, monkeypatch):
    monkeypatch.setenv("MELISMA_WAV2VEC2_LANGUAGES", "12!!")
    tiers.forget()
    assert tiers.order(None, settings)[0] == "whisper"
    with pytest.raises(InputError, match="'12!!' is no language code"):
        tiers.usable("wav2vec2", settings, chosen=True)


def test_a_key_of_another_program_does_not_send_recordings_away(settings, monkeypatch):
    tiers.forget()
    monkeypatch.setenv("GROQ_API_KEY", "of another program")
    with pytest.raises(EngineUnavailable, match="to another machine"):
        tiers.usable("groq", settings, chosen=False)
    assert tiers.usable("groq", settings, chosen=True).facts.name == "groq"
    assert tiers.usable("groq", replace(settings, tiers=("phone", "groq")), chosen=False).facts.name == "groq"
    monkeypatch.setenv("MELISMA_GROQ_API_KEY", "of ours")
    assert tiers.usable("groq", settings, chosen=False).facts.name == "groq"


def test_an_engine_is_named_with_another_model_than_its_usual_one(settings):
    small = tiers.engine_named("whisper:small")
    assert (small.facts.name, small.facts.model_id) == ("whisper", "Systran/faster-whisper-small")
    assert small is tiers.engine_named("whisper:small")
    assert tiers.engine_named("whisper").facts.model_id != small.facts.model_id
    flags_at(settings.flags).switch("whisper", False)
    with pytest.raises(EngineUnavailable, match=r"switched off in .*: melisma engines enable whisper$"):
        tiers.usable("whisper:small", settings, chosen=True)


def test_an_engine_that_has_one_model_takes_no_other():
    with pytest.raises(InputError, match="the engine 'hmm' takes no other model by name, such as 'small'"):
        tiers.engine_named("hmm:small")
    with pytest.raises(UnknownName, match="no engine is called 'nobody:small'"):
        tiers.check_name("nobody:small")
