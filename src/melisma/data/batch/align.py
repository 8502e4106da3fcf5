"""`melisma align` over a manifest: words that are known, timed in every recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from melisma.core.errors import LyricsError
from melisma.core.files import make_folder
from melisma.core.records import Lyrics
from melisma.data import by_recording, recordings
from melisma.data.batch import results
from melisma.data.batch.results import Facts, Made
from melisma.data.batch.sounds import Sound
from melisma.data.manifest import Utterance, audio_path
from melisma.data.recordings import Recording, Recordings
from melisma.pipeline import lyrics as lyrics_files
from melisma.pipeline import rendered, tiers
from melisma.pipeline.align import AlignConfig, align
from melisma.pipeline.by_itself import by_itself, decisive
from melisma.pipeline.settings import AUTO, RouterSettings
from melisma.scale.protocol import Executor, Outcome, Progress, Task
from melisma.text import encoding
from melisma.text import language as languages
from melisma.text import lyrics as texts

Words = tuple[str, bytes | None, str]  # of a line: the name of its lyrics file, what it holds, or why it cannot be read
NO_WORDS: Words = ("", None, "")


@dataclass(frozen=True, slots=True)
class Align:
    """Stage: a recording, its lines and their lyrics → a file for each line and format below `out`.

    Parameters
    ----------
    out : str
        The folder.
    formats : tuple of str
        Names of formats.
    config : AlignConfig
        Without a cache; its `settings` are those of the machine that asks, so that every worker has the same.
    """

    out: str
    formats: tuple[str, ...] = ("json",)
    config: AlignConfig = field(default_factory=AlignConfig)

    @property
    def name(self) -> str:
        """Of the stage."""
        return "align recordings"

    def configuration(self) -> str:
        """Return what decides the outcome: our release and the engines as they are now, too."""
        settings = self.config.settings or RouterSettings.from_env()
        named = tiers.wanted(self.config.engine, settings)
        asked = tuple(tiers.listed(settings)) if named == AUTO or self.config.fallback else (named,)
        plain = replace(self.config, settings=None, cache=None)
        return repr((1, version("melisma"), self.formats, plain, decisive(settings, asked)))

    def __call__(self, item: tuple[str, list[str], list[Words]]) -> list[Facts]:
        """Align the lines of one recording."""
        path, lines = by_recording.read_item(item[:2])
        return results.each(path, lines, lambda i, sound: self._one(sound, item[2][i]))

    def _one(self, sound: Sound, given: Words) -> Facts:
        line = sound.utterance
        settings = by_itself(self.config.settings)
        said = self.config.language or line.language
        config = replace(
            self.config,
            language=None if said in ("", "und", "mul") else said,
            track_id=line.id[:200],
            settings=settings,
        )
        found = results.of_this_manifest(align(sound.file, _lyrics(line, given), config=config), sound)
        contents = {}
        for name in self.formats:
            place = recordings.file_name(line.id, rendered.suffix_of(name)).as_posix()
            contents[place] = rendered.render(found, name, sound.file, results.title_of(line))
        return {"files": results.put(Path(self.out), contents), **results.about(found, sound)}


def _lyrics(line: Utterance, given: Words) -> Lyrics:
    name, content, refusal = given
    if line.transcript.strip():
        return texts.from_text(line.transcript)
    if refusal:
        raise LyricsError(refusal)
    if content is None:
        raise LyricsError("it has neither a transcript nor lyrics, the name of a file")
    return lyrics_files.read(content, name=name)


def task_of(manifest: Path, recording: Recording) -> Task:
    """Return the task of a recording; other lyrics in their files make it anew, too."""
    plain = by_recording.task_of(recording)
    words = [_words(manifest, each) for each in recording.utterances]
    said = "" if all(each == NO_WORDS for each in words) else repr(words)
    return Task(plain.key, (*plain.item, words), plain.signature and plain.signature + said)


def _words(manifest: Path, line: Utterance) -> Words:
    """Read the lyrics file of a line here, where the manifest lies: workers may be elsewhere."""
    named = (line.model_extra or {}).get("lyrics")
    if line.transcript.strip() or named is None:
        return NO_WORDS
    if not isinstance(named, str) or not named.strip() or "\x00" in named:
        return "", None, "lyrics is the name of a file, or is left out"
    path = audio_path(manifest, line.model_copy(update={"audio": named}))
    try:
        with path.open("rb") as file:
            return named, file.read(encoding.MAX_BYTES + 1), ""
    except OSError as error:
        return named, None, f"the lyrics file {named} cannot be read: {error.strerror or error}"


def check(config: AlignConfig, formats: tuple[str, ...]) -> None:
    """Refuse, before any audio is read, what no recording could be aligned with."""
    settings = config.settings or RouterSettings.from_env()
    if config.language is not None:
        languages.normalise(config.language)
    tiers.check(config.engine, settings)
    named = tiers.wanted(config.engine, settings)
    if named != AUTO and not config.fallback:
        tiers.usable(named, settings, chosen=True)
    results.check_formats(formats)


def run(found: Recordings, stage: Align, **how: Any) -> Made:
    """Align every line of a manifest; a line that cannot be is a problem, and not the end of the run.

    Parameters
    ----------
    found : Recordings
        The manifest.
    stage : Align
        Where to, and how.
    executor, progress
        As `by_recording.outcomes` has them.
    """
    out = Path(stage.out)
    make_folder(out)
    return results.write(out, _outcomes(found, out, stage, **how))


def _outcomes(
    found: Recordings, out: Path, stage: Align, executor: Executor | None = None, progress: Progress | None = None
) -> Iterator[tuple[Recording, Outcome]]:
    def make(recording: Recording) -> Task:
        return task_of(found.manifest, recording)

    return by_recording.outcomes(found, out, stage, make=make, executor=executor, progress=progress)
