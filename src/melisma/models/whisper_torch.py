"""Whisper by torch: a checkpoint as transformers keeps it, windows of up to 30 s to text and words with times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch

from melisma.core.errors import EngineOutOfMemory, ModelError, UnknownName
from melisma.core.records import Float32
from melisma.core.settings import n_threads
from melisma.models.pretrained import check_settings, read_json
from melisma.models.quiet import quiet
from melisma.models.whisper_features import N_FRAMES, N_SAMPLES, SAMPLE_RATE, STATE_S, log_mels
from melisma.models.whisper_onnx import HeardWindow, WhisperSearch
from melisma.models.whisper_vocabulary import WhisperVocabulary, never_said, read_vocabulary
from melisma.models.whisper_words import TimedWord, word_times

_CPU = torch.device("cpu")
_PREVIOUS = "<|startofprev|>"


@dataclass(frozen=True, slots=True)
class _Weights:
    """What a decoder said of tokens that it was given: weights of the alignment heads, and logits."""

    attention: Float32  # [n_heads, n_rows, n_states]
    logits: Float32  # [n_rows, n_tokens]


class WhisperTorch:
    """A Whisper model in torch.

    Parameters
    ----------
    model : transformers.WhisperForConditionalGeneration
        Whose attention is computed by "eager", which tells what the decoder looks at.
    vocabulary : WhisperVocabulary
        Its tokens.
    name : str
        What errors call it.
    device : torch.device
        Where it runs.
    spell : tokenizers.Tokenizer, optional
        For hints.
    """

    def __init__(
        self, model: Any, vocabulary: WhisperVocabulary, name: str, device: torch.device = _CPU, spell: Any = None
    ) -> None:
        self.name, self.vocabulary, self._spell = name, vocabulary, spell
        self.n_mels = int(model.config.num_mel_bins)
        self._model, self._device = model.eval().to(device), device
        self._said = model.generation_config
        self._never = never_said(self._said.to_dict(), vocabulary)
        self._heads = _alignment_heads(model)
        self._busy = Lock()  # the weights of a pass are caught where the model computes them
        if model.config.max_source_positions * 2 != N_FRAMES:
            raise ModelError(f"the Whisper model {name} does not take windows of 30 s")
        if len(vocabulary.pieces) > model.config.vocab_size:
            raise ModelError(f"the Whisper model {name} has fewer outputs than its vocabulary has tokens")

    @classmethod
    def open(cls, folder: Path, device: str = "cpu", *, half: bool = False) -> WhisperTorch:
        """Load a checkpoint from a folder; code and pickles of strangers are not run.

        Raises
        ------
        ModelError
            If it is no Whisper model, or damaged.
        EngineOutOfMemory
            If there is too little memory.
        """
        from tokenizers import Tokenizer
        from transformers import WhisperForConditionalGeneration

        settings = read_json(folder / "config.json")
        check_settings(settings, folder.name)
        _check_size(settings, folder)
        vocabulary = read_vocabulary(folder)
        if device == _CPU.type:
            torch.set_num_threads(n_threads())  # more than the control group allows make it slower
        load: Any = WhisperForConditionalGeneration.from_pretrained
        with _faults(folder.name), quiet():
            model, info = load(
                str(folder),
                dtype=torch.float16 if half else torch.float32,
                attn_implementation="eager",
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                output_loading_info=True,
            )
            lost = sorted(set(info["missing_keys"]) - {"proj_out.weight"})
            if lost:
                raise ModelError(f"the Whisper model {folder.name} lacks weights, such as {lost[0]}")
            spell = Tokenizer.from_file(str(folder / "tokenizer.json"))
            return cls(model, vocabulary, folder.name, torch.device(device), spell)

    def transcribe(
        self,
        samples: Float32,
        language: str | None = None,
        search: WhisperSearch | None = None,
        *,
        beams: int = 1,
        hint: str = "",
    ) -> HeardWindow:
        """Return what is heard in a window.

        Parameters
        ----------
        samples : float32 [n_samples]
            Mono, 16 kHz, 30 s at most.
        language : str, optional
            Whisper's code; the likeliest without one.
        search : WhisperSearch, optional
            How far decoding goes.
        beams : int
            Of the search.
        hint : str
            Text that may have been said before, for names and spelling; for models with a tokenizer.json.

        Raises
        ------
        ValueError
            If the window is longer.
        UnknownName
            If the model was not taught the language.
        """
        if len(samples) > N_SAMPLES:
            raise ValueError(f"a window holds {N_SAMPLES} samples, not {len(samples)}")
        search, known = search or WhisperSearch(), self.vocabulary.languages
        self.vocabulary.check_language(language, self.name)
        with self._busy, torch.inference_mode(), _faults(self.name):
            heard = self._encode(samples)
            chosen = language or next(iter(self._likeliest(heard)), "en")
            prompt = self.vocabulary.prompt(chosen if known else "")
            tokens, complete = self._search(heard, [*self._before(hint), *prompt], search, beams)
            n_states = max(1, -(-len(samples) // round(STATE_S * SAMPLE_RATE)))
            return self._told(heard, chosen, tokens, complete, min(n_states, N_FRAMES // 2))

    def languages(self, samples: Float32) -> dict[str, float]:
        """Return the probability of each language in a window, the likeliest first; empty for models of English."""
        with self._busy, torch.inference_mode(), _faults(self.name):
            return self._likeliest(self._encode(samples))

    def _encode(self, samples: Float32) -> Any:
        mels = torch.from_numpy(log_mels(samples, self.n_mels))[None]
        return self._model.model.encoder(mels.to(self._device, self._model.dtype))

    def _likeliest(self, heard: Any) -> dict[str, float]:
        known = self.vocabulary.languages
        if not known:
            return {}
        logits = self._pass(heard, self.vocabulary.prompt(next(iter(known)))[:1]).logits[0]
        codes = list(known)
        shares = np.exp(_log_softmax(logits[[known[code] for code in codes]]))
        return {codes[i]: float(shares[i]) for i in np.argsort(-shares, kind="stable")}

    def _before(self, hint: str) -> list[int]:
        mark = self.vocabulary.special.get(_PREVIOUS)
        if mark is None or not hint.strip() or self._spell is None:
            return []
        said: list[int] = self._spell.encode(" " + hint.strip(), add_special_tokens=False).ids
        longest = int(self._model.config.max_target_positions) // 2 - 1
        return [mark, *filter(self._is_text, said[-longest:])]

    def _search(self, heard: Any, given: list[int], search: WhisperSearch, beams: int) -> tuple[list[int], bool]:
        """Return the likeliest tokens of text, and whether they came to an end; without Whisper's own long form."""
        from transformers import GenerationConfig, GenerationMixin

        end, longest = self.vocabulary.end, int(self._model.config.max_target_positions)
        make: Any = GenerationConfig
        settings = make(
            max_new_tokens=max(1, min(search.max_new_tokens + 1, longest - len(given))),
            num_beams=beams,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
            decoder_start_token_id=given[0],
            suppress_tokens=self._never,
            begin_suppress_tokens=_listed(self._said.begin_suppress_tokens),
        )
        start = torch.tensor([given], device=self._device)
        with quiet():
            out = GenerationMixin.generate(
                self._model, generation_config=settings, encoder_outputs=heard, decoder_input_ids=start
            )
        said = out[0, len(given) :].tolist()
        complete = end in said
        said = said[: said.index(end)] if complete else said[: search.max_new_tokens]
        return [token for token in said if self._is_text(token)], complete

    def _is_text(self, token: int) -> bool:
        return token < len(self.vocabulary.pieces) and bool(self.vocabulary.pieces[token])

    def _told(self, heard: Any, language: str, tokens: list[int], complete: bool, n_states: int) -> HeardWindow:
        """Let the decoder read what was found once more: how likely each token is, and where it looks."""
        prompt = self.vocabulary.prompt(language if self.vocabulary.languages else "")
        rows = (*prompt, *tokens)
        seen = self._pass(heard, rows)
        first, silence = len(prompt) - 1, self.vocabulary.no_speech
        nobody = float(np.exp(_log_softmax(seen.logits[0])[silence])) if silence is not None else 0.0
        logs = _log_softmax(self._allowed(seen.logits, first))
        following = [*tokens, *([self.vocabulary.end] if complete else [])]
        sure = [float(logs[first + i, token]) for i, token in enumerate(following)]
        words: tuple[TimedWord, ...] = ()
        if tokens and seen.attention.shape[0]:
            pieces = [self.vocabulary.pieces[token] for token in tokens]
            shares = [float(np.exp(each)) for each in sure]
            words = word_times(seen.attention[:, :, :n_states], pieces, shares, first, language)
        return HeardWindow(
            text=self.vocabulary.text(tokens).strip(),
            language=language,
            tokens=tuple(tokens),
            words=words,
            mean_log_prob=float(np.mean(sure)) if sure else 0.0,
            no_speech=nobody,
            complete=complete,
        )

    def _allowed(self, logits: Float32, first: int) -> Float32:
        """Return logits without the tokens that the search may not choose: probabilities are those among the others."""
        allowed = logits.copy()
        allowed[:, self._never] = -np.inf
        allowed[first, _listed(self._said.begin_suppress_tokens) or []] = -np.inf
        return allowed

    def _pass(self, heard: Any, tokens: Sequence[int]) -> _Weights:
        """Run the decoder once over given tokens; only the weights of the alignment heads are kept."""
        caught: dict[int, torch.Tensor] = {}

        def keep(layer: int) -> Any:
            def hook(module: Any, given: Any, out: Any) -> None:
                caught[layer] = out[1][0, self._heads[layer]].float().cpu()

            return hook

        layers = self._model.model.decoder.layers
        handles = [layers[i].encoder_attn.register_forward_hook(keep(i)) for i in self._heads]
        try:
            ids = torch.tensor([list(tokens)], device=self._device)
            out = self._model(encoder_outputs=heard, decoder_input_ids=ids, use_cache=False)
        finally:
            for handle in handles:
                handle.remove()
        kept = [caught[i].numpy() for i in self._heads]
        nothing = np.zeros((0, len(tokens), 0), np.float32)
        return _Weights(np.concatenate(kept) if kept else nothing, out.logits[0].float().cpu().numpy())


def _alignment_heads(model: Any) -> dict[int, list[int]]:
    """Return heads by layer: those that the checkpoint names, else all of the upper half of the decoder."""
    n_layers, n_heads = int(model.config.decoder_layers), int(model.config.decoder_attention_heads)
    said = getattr(model.generation_config, "alignment_heads", None)
    if not said:
        return {layer: list(range(n_heads)) for layer in range(n_layers // 2, n_layers)}
    heads: dict[int, list[int]] = {}
    for layer, head in said:
        if not (0 <= int(layer) < n_layers and 0 <= int(head) < n_heads):
            raise ModelError(f"the generation config names the attention head {layer!r}, {head!r}, which there is not")
        heads.setdefault(int(layer), []).append(int(head))
    return heads


def _listed(tokens: Any) -> list[int] | None:
    return [int(token) for token in tokens] if tokens else None


def _log_softmax(logits: Float32) -> Float32:
    top = logits - logits.max(axis=-1, keepdims=True)
    out: Float32 = top - np.log(np.exp(top).sum(axis=-1, keepdims=True))
    return out


def _check_size(said: Mapping[str, Any], folder: Path) -> None:
    """Refuse settings of a network that its weights cannot fill: it would be made in memory first, however large."""
    names = ("d_model", "encoder_layers", "decoder_layers", "encoder_ffn_dim", "decoder_ffn_dim", "vocab_size")
    sizes = [said.get(name, 1) for name in names]
    if not all(isinstance(size, int) and size > 0 for size in sizes):
        raise ModelError(f"config.json of the Whisper model {folder.name} has sizes that are none")
    width, encoder, decoder, encoder_inner, decoder_inner, n_tokens = sizes
    described = encoder * (4 * width * width + 2 * width * encoder_inner)
    described += decoder * (8 * width * width + 2 * width * decoder_inner) + n_tokens * width
    held = sum(path.stat().st_size for path in folder.glob("*.safetensors"))  # a byte a parameter at least
    if described > held:
        raise ModelError(
            f"config.json of the Whisper model {folder.name} describes {described:,} parameters, and its weights are "
            f"{held:,} bytes"
        )


@contextmanager
def _faults(name: str) -> Iterator[None]:
    """Map what transformers, safetensors and torch raise on files of strangers, and where memory runs out."""
    try:
        yield
    except (ModelError, UnknownName, EngineOutOfMemory):
        raise
    except MemoryError as error:
        raise EngineOutOfMemory(f"there is too little memory for the Whisper model {name}") from error
    except Exception as error:
        said = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        if "out of memory" in str(error).lower() or type(error).__name__ == "OutOfMemoryError":
            raise EngineOutOfMemory(f"there is too little memory for the Whisper model {name}") from error
        raise ModelError(f"the Whisper model {name} cannot be used: {said}") from error
