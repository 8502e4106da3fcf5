"""A Whisper network to ONNX: an encoder and a decoder that keeps what it has seen, for `melisma.models.whisper_onnx`.

The exporter of transformers (optimum) is no part of this program, and its caches cannot be traced as they are; what is
traced here is the same arithmetic with the layers of the loaded network, its past as plain tensors. 8-bit weights are
those of matrix products only: 8-bit convolutions are slower and worse where onnxruntime has no kernel for them
(onnxruntime#15888). Whether the files do what torch does is for whoever calls this to find out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from melisma.core.errors import InputError, ModelError
from melisma.models.whisper_features import N_FRAMES
from melisma.models.whisper_onnx import DECODER, ENCODER, FOLDER
from melisma.train.onnx_files import quantise, quiet_export

_OPSET = 17
_LARGEST = 2_000_000_000  # bytes of a protobuf file
_EXAMPLE = (2, 3, 4)  # batch, new tokens and old ones of what is traced: none of the cases that are run


def write_onnx(model: Any, out: Path, *, int8: bool = False) -> tuple[Path, Path]:
    """Write `onnx/encoder.onnx` and `onnx/decoder.onnx` into a folder.

    Parameters
    ----------
    model : WhisperForConditionalGeneration
        On the CPU, in evaluation mode, float32.
    out : Path
        The folder of the model.
    int8 : bool
        Whether weights of matrix products are kept in 8 bits.

    Raises
    ------
    InputError
        If a file would be larger than ONNX files can be.
    ModelError
        If the network cannot be traced.
    """
    folder = out / FOLDER
    folder.mkdir(exist_ok=True)
    for part, side in (("encoder", model.model.encoder), ("decoder", model.model.decoder)):
        size = 4 * sum(parameter.numel() for parameter in side.parameters())
        if size > _LARGEST:
            raise InputError(
                f"the {part}'s weights take {size / 1e9:.1f} GB, and an ONNX file holds 2 GB: leave ONNX out "
                "(--onnx none)"
            )
    encoder, decoder = folder / ENCODER, folder / DECODER
    _trace_encoder(model, encoder)
    _trace_decoder(model, decoder)
    if int8:
        quantise(encoder)
        quantise(decoder)
    return encoder, decoder


class _Encoder(nn.Module):
    """Log-mels to what every layer of the decoder attends to."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.encoder: Any = model.model.encoder
        self.layers: Any = model.model.decoder.layers

    def forward(self, mels: Tensor) -> tuple[Tensor, Tensor]:
        states = self.encoder(mels).last_hidden_state
        heads = [layer.encoder_attn for layer in self.layers]
        keys = torch.stack([_split(attention.k_proj(states), attention) for attention in heads])
        return keys, torch.stack([_split(attention.v_proj(states), attention) for attention in heads])


class _Decoder(nn.Module):
    """Tokens and what came before them to logits, and to what the alignment heads look at."""

    def __init__(self, model: Any, heads: list[tuple[int, int]]) -> None:
        super().__init__()
        self.decoder: Any = model.model.decoder
        self.output: Any = model.proj_out
        self.heads = heads

    def forward(
        self, tokens: Tensor, past_k: Tensor, past_v: Tensor, cross_k: Tensor, cross_v: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        n_past, n_new = past_k.shape[3], tokens.shape[1]
        at = torch.arange(n_past, n_past + n_new)
        states = self.decoder.embed_tokens(tokens) + self.decoder.embed_positions.weight[at]
        ahead = torch.arange(n_past + n_new)[None, :] > at[:, None]
        mask = torch.zeros(ahead.shape).masked_fill(ahead, torch.finfo(torch.float32).min)
        keys, values, looks = [], [], []
        for number, layer in enumerate(self.decoder.layers):
            normal = layer.self_attn_layer_norm(states)
            key = torch.cat([past_k[number], _split(layer.self_attn.k_proj(normal), layer.self_attn)], dim=2)
            value = torch.cat([past_v[number], _split(layer.self_attn.v_proj(normal), layer.self_attn)], dim=2)
            states = states + _attend(layer.self_attn, normal, key, value, mask)[0]
            normal = layer.encoder_attn_layer_norm(states)
            found, weights = _attend(layer.encoder_attn, normal, cross_k[number], cross_v[number], None)
            states = states + found
            states = states + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(states))))
            keys.append(key)
            values.append(value)
            looks += [weights[:, head] for at_layer, head in self.heads if at_layer == number]
        logits = self.output(self.decoder.layer_norm(states))
        return logits, torch.stack(keys), torch.stack(values), torch.stack(looks, dim=1)


def _split(states: Tensor, attention: Any) -> Tensor:
    """Return [batch, n, width of all heads] as [batch, n_heads, n, width of one]."""
    return states.view(states.shape[0], states.shape[1], attention.num_heads, attention.head_dim).transpose(1, 2)


def _attend(attention: Any, states: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
    query = _split(attention.q_proj(states) * attention.scaling, attention)
    scores = query @ key.transpose(2, 3)
    weights = torch.softmax(scores if mask is None else scores + mask, dim=-1)
    mixed = (weights @ value).transpose(1, 2)
    return attention.out_proj(mixed.reshape(states.shape[0], states.shape[1], attention.embed_dim)), weights


def alignment_heads(model: Any) -> list[tuple[int, int]]:
    """Return layer and head of those that look at what is said; the upper half of all where the model names none.

    So does faster-whisper, whose conversion takes them likewise.
    """
    said = getattr(model.generation_config, "alignment_heads", None)
    layers, heads = model.config.decoder_layers, model.config.decoder_attention_heads
    if said:
        found = [(int(layer), int(head)) for layer, head in said]
        if any(not (0 <= layer < layers and 0 <= head < heads) for layer, head in found):
            raise InputError("the generation config names alignment heads that the model does not have")
        return sorted(found)
    return [(layer, head) for layer in range(layers // 2, layers) for head in range(heads)]


def _trace_encoder(model: Any, path: Path) -> None:
    mels = torch.zeros(_EXAMPLE[0], model.config.num_mel_bins, N_FRAMES)
    free = {0: "batch"}
    axes = {"mels": free, "cross_k": {1: "batch"}, "cross_v": {1: "batch"}}
    _trace(model, _Encoder(model), (mels,), path, (["mels"], ["cross_k", "cross_v"], axes))


def _trace_decoder(model: Any, path: Path) -> None:
    batch, n_new, n_past = _EXAMPLE
    config = model.config
    heads = config.decoder_attention_heads
    width = config.d_model // heads
    past = torch.zeros(config.decoder_layers, batch, heads, n_past, width)
    cross = torch.zeros(config.decoder_layers, batch, heads, config.max_source_positions, width)
    given = (torch.zeros(batch, n_new, dtype=torch.int64), past, past.clone(), cross, cross.clone())
    old, new = {1: "batch", 3: "past"}, {1: "batch", 3: "all"}
    axes = {"tokens": {0: "batch", 1: "new"}, "past_k": old, "past_v": old, "present_k": new, "present_v": new}
    axes |= {"cross_k": {1: "batch"}, "cross_v": {1: "batch"}}
    axes |= {"logits": {0: "batch", 1: "new"}, "attention": {0: "batch", 2: "new"}}
    names = ["tokens", "past_k", "past_v", "cross_k", "cross_v"], ["logits", "present_k", "present_v", "attention"]
    _trace(model, _Decoder(model, alignment_heads(model)), given, path, (*names, axes))


def _trace(model: Any, module: nn.Module, given: tuple[Tensor, ...], path: Path, names: tuple[Any, Any, Any]) -> None:
    implementation = model.config._attn_implementation
    model.set_attn_implementation("eager")  # plain matrix products: those that can be kept in 8 bits
    inputs, outputs, axes = names
    try:
        with quiet_export(), torch.inference_mode():
            torch.onnx.export(
                module.eval(),
                given,
                str(path),
                input_names=inputs,
                output_names=outputs,
                dynamic_axes=axes,
                opset_version=_OPSET,
                dynamo=False,  # the newer exporter fixes lengths: pytorch#148886
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"this network cannot be exported: {said[:200]}") from error
    finally:
        model.set_attn_implementation(implementation)
