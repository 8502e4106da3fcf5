"""Transformers' Seq2SeqTrainer with what it lacks: batches by step, whole checkpoints, validation within bounds."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

from melisma.core.errors import OutputError, TrainingError
from melisma.train.whisper import checkpoints
from melisma.train.whisper.collate import IGNORED
from melisma.train.whisper.config import WhisperTrainingConfig
from melisma.train.whisper.judge import Judge
from melisma.train.whisper.progress import Progress
from melisma.train.whisper.stream import Row, StepSampler, loader

_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
_TAKEN = ("input_features", "labels", "decoder_input_ids", "decoder_attention_mask", "attention_mask")


@dataclass(frozen=True, slots=True)
class Material:
    """What a training goes through.

    Parameters
    ----------
    row : Row
        The windows, in order.
    dataset : torch.utils.data.Dataset
        Makes them.
    collate : callable
        Makes batches of them.
    judge : Judge
        Of held-out clips.
    workers : int
        Processes that make batches.
    """

    row: Row
    dataset: Any
    collate: Any
    judge: Judge
    workers: int = 0


def world() -> int:
    """Return how many processes share a training, by what torchrun or accelerate has set."""
    return int(os.environ.get("WORLD_SIZE", "1") or 1)


def arguments(run: Path, config: WhisperTrainingConfig, *, cpu: bool) -> Seq2SeqTrainingArguments:
    """Return a configuration as transformers' trainer takes it; when it logs, judges and saves is `Flow`'s business."""
    make: Any = Seq2SeqTrainingArguments
    made: Seq2SeqTrainingArguments = make(
        output_dir=str(run / checkpoints.FOLDER),
        per_device_train_batch_size=config.batch_size,
        gradient_accumulation_steps=config.accumulate,
        max_steps=config.steps,
        learning_rate=config.lr,
        lr_scheduler_type=_SCHEDULES[config.schedule],
        warmup_steps=config.warmup_steps,
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip,
        optim="adamw_torch",
        bf16=config.precision == "bf16",
        fp16=config.precision == "fp16",
        seed=config.seed,
        data_seed=config.seed,
        use_cpu=cpu,
        ddp_backend="gloo" if cpu and world() > 1 else None,
        ddp_find_unused_parameters=False,
        ignore_data_skip=True,  # the sampler begins where it is told
        logging_strategy="no",
        logging_steps=config.log_steps,
        logging_nan_inf_filter=False,  # a loss that is none must be seen
        eval_strategy="no",
        save_strategy="no",
        predict_with_generate=True,
        generation_num_beams=config.beams,
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=[],
        log_level="error",
        log_level_replica="error",
    )
    # What accelerate was launched with is not what this training was begun with.
    made.mixed_precision = {"fp32": "no"}.get(config.precision, config.precision)
    if made.n_gpu > 1:
        made._n_gpu = 1  # else several GPUs that nobody asked for would share batches by threads
    return made


class WhisperTrainer(Seq2SeqTrainer):
    """Trains a Whisper by the step.

    Parameters
    ----------
    model : torch.nn.Module
        The network, with adapters or without.
    args : Seq2SeqTrainingArguments
        Of `arguments`.
    config : WhisperTrainingConfig
        What decides the training.
    run : Path
        Its folder.
    material : Material
        What it goes through.
    progress : Progress
        Where it stands.
    """

    def __init__(
        self, model: Any, args: Any, config: WhisperTrainingConfig, run: Path, material: Material, progress: Progress
    ) -> None:
        self.config, self.run, self.material, self.progress = config, run, material, progress
        self.heard: Callable[[float, int], None] = lambda seconds, n: None  # told of each batch of this process
        self.saved: Callable[[Path], None] = lambda path: None  # told of each checkpoint that is whole
        super().__init__(
            model=model,
            args=args,
            train_dataset=material.dataset,
            data_collator=material.collate,
            compute_loss_func=self._loss,
            preprocess_logits_for_metrics=likeliest,
        )
        self.model_accepts_loss_kwargs = False  # the loss is computed here
        self.remove_callback(PrinterCallback)

    def _loss(self, outputs: Any, labels: Tensor, num_items_in_batch: Tensor | int | None = None) -> Tensor:
        return token_loss(outputs.logits, labels, num_items_in_batch, self.config.label_smoothing)

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Return the batches of this process that are left."""
        each, args = self.config.accumulate, self.args
        sampler = StepSampler(
            self.material.row,
            self.config.batch_size,
            self.config.steps * each,
            done=self.progress.step * each,
            rank=args.process_index,
            world=args.world_size,
        )
        pin = args.device.type == "cuda"
        return loader(self.material.dataset, sampler, self.material.collate, self.material.workers, pin=pin)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Tensor:
        """Learn from a batch, of which only what the network takes is given to it."""
        seconds = inputs.get("seconds")
        self.heard(float(seconds.sum()) if seconds is not None else 0.0, len(inputs["labels"]))
        taken = {name: inputs[name] for name in _TAKEN if name in inputs}
        loss: Tensor = super().training_step(model, taken, num_items_in_batch)
        return loss

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Judge the network as it is now, and tell what follows the training."""
        verdict = self.material.judge.judge(self.model, self.accelerator)
        metrics = verdict.to_dict()
        better = self.progress.judged(metrics, self.config.patience)
        said: dict[str, Any] = {f"eval_{key}": value for key, value in metrics.items()} | {"eval_best": better}
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, said)
        self.control.should_save |= better
        if self.progress.ended:
            self.control.should_training_stop = self.control.should_save = True
        return said

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Tell of a step, and keep none of what was told before: it stands in the log.

        Raises
        ------
        TrainingError
            If the loss is no number any more.
        """
        if "loss" in logs:
            self.progress.train_loss = logs["loss"]
        super().log(logs, start_time)
        del self.state.log_history[:-1]
        if not math.isfinite(logs.get("loss", 0.0)):
            raise self._diverged("the loss")

    def _diverged(self, what: str) -> TrainingError:
        return TrainingError(
            f"{what} of step {self.state.global_step:,} is no number: take a lower learning rate, a longer "
            "warm-up, or bf16 or fp32 in place of fp16; the last checkpoint was before that"
        )

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Write a checkpoint that is whole or not there.

        Raises
        ------
        OutputError
            If it cannot be written.
        TrainingError
            If what was learnt is no number any more: going on from there would come to nothing for ever.
        """
        step, first = self.state.global_step, self.args.should_save
        self._gather_progress()
        if not math.isfinite(self.progress.loss_sum):
            raise self._diverged("the loss")
        if not are_numbers(model):
            raise self._diverged("a weight")
        folder = checkpoints.begin(self.run, step) if first else checkpoints.partial_of(self.run, step)
        self.accelerator.wait_for_everyone()
        try:
            self._save_random_states(folder)
            if first:
                self._save(str(folder))
                self._save_optimizer_and_scheduler(str(folder))
                self._save_scaler(str(folder))
                self.state.save_to_json(str(folder / "trainer_state.json"))
        except (OSError, RuntimeError) as error:  # torch and safetensors report a full disk as a RuntimeError
            raise OutputError(f"cannot write the checkpoint {folder}: {str(error).splitlines()[0][:200]}") from error
        self.accelerator.wait_for_everyone()
        if first:
            final = checkpoints.finish(self.run, step, self.progress.to_dict())
            checkpoints.prune(self.run, self.config.keep, self.progress.best_step)
            self.saved(final)

    def _save_random_states(self, folder: Path) -> None:
        self._save_rng_state(str(folder))

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Write weights or adapters, and neither a pickle of the arguments nor the processor, which the run has."""
        network: Any = self.model
        network.save_pretrained(output_dir, state_dict=state_dict)

    def _gather_progress(self) -> None:
        """Note what a checkpoint must hold so that the next line of the log is the same after a kill."""
        progress = self.progress
        progress.step, progress.logged = self.state.global_step, self._globalstep_last_logged
        progress.loss_sum = float(self.accelerator.gather(self._tr_loss.reshape(1)).mean())
        progress.lengths = list(self.material.row.lengths)

    def take_up(self) -> None:
        """Go on with what `_gather_progress` has noted; called when a training begins."""
        self._tr_loss += self.progress.loss_sum
        self._globalstep_last_logged = self.progress.logged


def are_numbers(model: torch.nn.Module) -> bool:
    """Whether all weights that learn are finite numbers."""
    return all(bool(weight.isfinite().all()) for weight in model.parameters() if weight.requires_grad)


def token_loss(logits: Tensor, labels: Tensor, n_items: Tensor | int | None, smoothing: float = 0.0) -> Tensor:
    """Return the cross-entropy of a batch per token of the whole step, in nats.

    Parameters
    ----------
    logits : float [n_windows, n_tokens, n_vocabulary]
        Of the network.
    labels : int64 [n_windows, n_tokens]
        -100 where there is no target.
    n_items : int
        Targets of the step, of all batches that are added up and of all processes; those of this batch if None. So
        a batch in pieces has the gradients of the whole.
    smoothing : float
        Share of the probability that is given to all tokens alike.
    """
    if n_items is None:
        n_items = labels.ne(IGNORED).sum()
    summed = functional.cross_entropy(
        logits.float().flatten(0, 1),
        labels.to(logits.device).flatten(),
        ignore_index=IGNORED,
        reduction="sum",
        label_smoothing=smoothing,
    )
    return summed / n_items


def likeliest(logits: Any, labels: Tensor) -> Tensor:
    """Return the likeliest token of each place, int64 [n_windows, n_tokens]: all that is kept of logits."""
    scores: Tensor = logits[0] if isinstance(logits, tuple) else logits
    return scores.argmax(-1)


class Flow(TrainerCallback):
    """Says when a training logs, is judged, and is kept.

    Parameters
    ----------
    trainer : WhisperTrainer
        The training.
    clock : callable
        Returns seconds.
    tell : callable
        Told a stage and the share of it that is done.
    """

    def __init__(self, trainer: WhisperTrainer, clock: Callable[[], float], tell: Callable[[str, float], None]) -> None:
        self.trainer, self.clock, self.tell = trainer, clock, tell
        self.ending = False  # set by a signal: the next step is the last, and is kept
        self._since = clock()

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Go on from where the checkpoint was."""
        state.logging_steps = self.trainer.config.log_steps
        self.trainer.take_up()
        self._since = self.clock()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Decide what is due after a step; several processes decide alike."""
        config, step = self.trainer.config, state.global_step
        self.trainer.progress.step = step
        state.epoch = self.trainer.material.row.epoch(step * config.batch_size * config.accumulate)
        late, ending = self._agreed(self.clock() - self._since >= 60 * config.checkpoint_minutes, self.ending)
        last = step >= config.steps
        control.should_log |= last or ending or step % config.log_steps == 0
        control.should_evaluate |= last or step % config.validate_steps == 0
        control.should_save |= last or late or ending or step % config.checkpoint_steps == 0
        control.should_training_stop |= ending
        self.tell("training", step / config.steps)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin to count minutes anew."""
        self._since = self.clock()

    def _agreed(self, *asked: bool) -> tuple[bool, ...]:
        """Return what any of several processes asks for: a signal may have reached one of them only."""
        if self.trainer.args.world_size == 1:
            return asked
        flags = torch.tensor([float(each) for each in asked], device=self.trainer.args.device)
        return tuple(bool(each) for each in self.trainer.accelerator.reduce(flags, "sum"))
