"""A Whisper network for CTranslate2, which faster-whisper runs: the conversion of its own converter, from plain files.

Whether it still says what it said before is for whoever calls this to find out: a conversion may be whole and loop
(faster-whisper#1099).
"""

from __future__ import annotations

from pathlib import Path

from melisma.core.errors import InputError, MissingDependency, ModelError
from melisma.models.package import CTRANSLATE2_FOLDER
from melisma.models.quiet import quiet

PRECISIONS = ("float32", "float16", "int8")
_BESIDE = ("tokenizer.json", "preprocessor_config.json")  # which faster-whisper reads


def write_ctranslate2(folder: Path, precision: str = "float32") -> Path:
    """Convert the model of a folder into `ctranslate2/` in it.

    Parameters
    ----------
    folder : Path
        Model, tokenizer and feature extractor as transformers keeps them, weights as safetensors.
    precision : {"float32", "float16", "int8"}
        Of the stored weights; what they are computed in is said when they are loaded.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    InputError
        If there is no such precision.
    MissingDependency
        If CTranslate2 is not installed.
    ModelError
        If the converter refuses the model.
    """
    if precision not in PRECISIONS:
        raise InputError(f"CTranslate2's weights are kept as {', '.join(PRECISIONS)}, not {precision[:20]!r}")
    try:
        from ctranslate2.converters import TransformersConverter
    except ImportError as error:
        raise MissingDependency("this needs ctranslate2: pip install 'melisma[whisper]'") from error
    out = folder / CTRANSLATE2_FOLDER
    lacking = next((name for name in _BESIDE if not (folder / name).is_file()), None)
    if lacking:
        raise ModelError(f"the model has no {lacking}, which faster-whisper reads")
    try:
        with quiet():
            TransformersConverter(str(folder), copy_files=list(_BESIDE)).convert(str(out), quantization=precision)
    except Exception as error:  # transformers' and CTranslate2's own, of every kind
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"this network cannot be converted for CTranslate2: {said[:200]}") from error
    return out
