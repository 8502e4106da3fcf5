"""`melisma transcribe` over a manifest: the words of every recording, written down with times."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

from melisma.core.files import make_folder
from melisma.data import by_recording
from melisma.data.align_corpus import folder_of
from melisma.data.batch import results
from melisma.data.batch.results import Facts, Made
from melisma.data.batch.sounds import Sound
from melisma.data.recordings import Recordings
from melisma.pipeline import packages, rendered, tiers, transcript_files
from melisma.pipeline.by_itself import by_itself, decisive
from melisma.pipeline.settings import AUTO, RouterSettings
from melisma.pipeline.transcribe import TranscribeConfig, Transcription, engine_for, transcribe
from melisma.pipeline.transcribe import check as heard_with
from melisma.scale.protocol import Executor, Progress

MORE = "transcription"  # name of the files of further formats, as for one recording


@dataclass(frozen=True, slots=True)
class Transcribe:
    """Stage: a recording and its lines → a folder for each line below `out`, with record, text, LRC and more.

    Parameters
    ----------
    out : str
        The folder.
    formats : tuple of str
        Names of formats beside the three files.
    config : TranscribeConfig
        Without a cache; its `settings` are those of the machine that asks, so that every worker has the same.
    """

    out: str
    formats: tuple[str, ...] = ()
    config: TranscribeConfig = field(default_factory=TranscribeConfig)

    @property
    def name(self) -> str:
        """Of the stage."""
        return "transcribe recordings"

    def configuration(self) -> str:
        """Return what decides the outcome: our release and the engines as they are now, too."""
        settings = self.config.settings or RouterSettings.from_env()
        model = engine_for(self.config.model, self.config.language)
        own = () if self.config.model or self.config.language else sorted(packages.registry().defaults().items())
        named = dict.fromkeys((model, *(name for _, name in own)))
        asked = (*(name for name in named if name != AUTO), *tiers.listed(settings))
        plain = replace(self.config, settings=None, cache=None)
        return repr((2, version("melisma"), self.formats, plain, own, decisive(settings, asked)))

    def __call__(self, item: tuple[str, list[str]]) -> list[Facts]:
        """Hear the lines of one recording."""
        path, lines = by_recording.read_item(item)
        return results.each(path, lines, lambda _, sound: self._one(sound))

    def _one(self, sound: Sound) -> Facts:
        line = sound.utterance
        settings = by_itself(self.config.settings)
        said = self.config.language or line.language
        language = None if said in ("", "und", "mul") else said
        config = replace(self.config, language=language, track_id=line.id[:200], settings=settings)
        heard = transcribe(sound.file, config)
        made = Transcription(heard.heard, results.of_this_manifest(heard.timed, sound))
        folder = folder_of(line.id).as_posix()
        about = transcript_files.About(line.id, Path(line.audio).name)
        contents = transcript_files.files(made.timed, about)
        for name in self.formats:
            page = rendered.render(made.timed, name, sound.file, results.title_of(line))
            contents[MORE + rendered.suffix_of(name)] = page
        names = sorted(contents, key=lambda name: (name == transcript_files.RECORD, name))  # the record comes last
        files = results.put(Path(self.out), {f"{folder}/{name}": contents[name] for name in names})
        text = made.timed.text
        exact = {"aligned_by": made.aligner or None, "n_exact": made.n_exact, "text": text}
        return {"files": files, **results.about(made.timed, sound), **exact}


def check(config: TranscribeConfig, formats: tuple[str, ...], *, here: bool = True) -> None:
    """Refuse, before any audio is read, what no line could be transcribed with.

    Parameters
    ----------
    config : TranscribeConfig
        Its model has to hear words.
    formats : tuple of str
        Which have to stand side by side.
    here : bool
        Whether this machine does the work, so that an engine has to be usable here; where languages have models of
        their own, each line says for itself whether it has one.
    """
    results.check_formats(formats)
    if here and (config.model or config.language or not packages.registry().defaults()):
        heard_with(config)
    else:
        engine_for(config.model, config.language)


def run(
    found: Recordings, stage: Transcribe, *, executor: Executor | None = None, progress: Progress | None = None
) -> Made:
    """Transcribe every line of a manifest; a line that cannot be is a problem, and not the end of the run.

    Parameters
    ----------
    found : Recordings
        The manifest.
    stage : Transcribe
        Where to, and how.
    executor : Executor, optional
        Who does it; all cores of this machine without.
    progress : callable, optional
        Told of the share that is done.
    """
    out = Path(stage.out)
    make_folder(out)
    return results.write(out, by_recording.outcomes(found, out, stage, executor=executor, progress=progress))
