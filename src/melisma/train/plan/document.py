"""A plan as a page of Markdown, PLANNING.md, and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from melisma.train.plan.amount import CHARACTERS_PER_TOKEN, CLIP_S, FILL, TOKENS_PER_S
from melisma.train.plan.estimate import DECODE_RATE, Plan
from melisma.train.plan.hardware import Range

SCHEMA = "melisma.training-plan/1"
# Days of people's work, from the plan that this project was given: specs/whisper-fine-tuning.md, phases 0 to 7.
_WORK = (
    ("contract", 1, 2),
    ("inventory and collecting", 2, 5),
    ("cleaning, validation, splits", 3, 7),
    ("processing and augmentation", 3, 6),
    ("first experiments", 4, 8),
    ("larger runs and tuning", 4, 10),
    ("evaluation and integration", 3, 6),
    ("release and governance", 2, 4),
)


def assumptions(plan: Plan) -> tuple[str, ...]:
    """Return what the numbers rest on, a sentence each."""
    asked, amount, config = plan.asked, plan.asked.amount, plan.asked.config
    said = []
    if amount.known:
        said.append(f"The manifest's {amount.n_clips:,} clips are packed as the training packs its first pass.")
    else:
        said += [
            f"Clips last {CLIP_S:g} s in the mean, and fill {FILL:.0%} of a window of 30 s where several share one.",
            f"Speech has {TOKENS_PER_S:g} tokens a second ({CHARACTERS_PER_TOKEN:g} characters a token).",
        ]
    said.append(
        f"A window costs {plan.operations:,.3g} · 10¹² operations: matrix products by the shape of the network, "
        f"for {amount.tokens:.0f} tokens with padding, {config.tuning}"
        + (", layers computed twice (gradient checkpointing)." if config.gradient_checkpointing else ".")
    )
    if asked.measured is not None:
        found = asked.measured
        said.append(
            f"Speed is that of {found.run}, on the same hardware: {_range(found.windows_per_s)} windows a second over "
            f"{found.n_lines} lines of its log, {_range(plan.teraflops)} · 10¹² operations a second on each of "
            f"{found.devices}; {found.wait_share:.0%} of the time it waited for data."
        )
    else:
        low, high = asked.hardware.efficiency
        peak = asked.hardware.single if config.precision == "fp32" else asked.hardware.half
        said.append(
            f"{asked.hardware.name} does {peak:g} · 10¹² operations a second in {config.precision} at most, and a "
            f"training reaches {low:.0%} to {high:.0%} of it; measure a short run and give --measured."
        )
        said.append("A validation reads a token of a batch in 8 to 30 ms.")
    if asked.devices > 1:
        said.append("Each doubling of devices loses up to 8 % of their speed.")
    if asked.trials:
        said.append(
            f"A trial of the search takes {asked.trial_share:.0%} of a training; in the best case a third is pruned."
        )
    said += [
        f"Money is {_range(asked.hardware.price)} US dollars for an hour of a device, assumed; storage, traffic, idle "
        "hours and failed attempts come on top.",
        f"A core decodes {DECODE_RATE[0]:g} to {DECODE_RATE[1]:g} s of recordings a second.",
        "Memory for a batch is reckoned, by what products leave for the way back; it may be off by a third.",
        "How good the model becomes is not planned: the steps are those that were asked for.",
    ]
    return tuple(said)


def to_dict(plan: Plan) -> dict[str, Any]:
    """Return it as plain values."""
    asked = plan.asked
    return {
        "schema": SCHEMA,
        "model": {"name": asked.name, "weights": plan.n_weights[0], "learnt": plan.n_weights[1], **asdict(asked.shape)},
        "data": asdict(asked.amount),
        "hardware": {**asdict(asked.hardware), "devices": asked.devices},
        "training": asked.config.model_dump(mode="json"),
        "passes": plan.passes,
        "operations_per_window_1e12": plan.operations,
        "teraflops_per_device": list(plan.teraflops),
        "step_s": list(plan.step_s),
        "audio_s_per_s": list(plan.audio_s_per_s),
        "phases": [
            {"name": each.name, "hours": list(each.hours), "on_devices": each.on_devices} for each in plan.phases
        ],
        "wall_hours": list(plan.wall_hours),
        "gpu_hours": list(plan.device_hours),
        "cost_usd": list(plan.cost),
        "memory_gb": {"states": plan.memory_gb[0], "batch": plan.memory_gb[1], "fits": plan.fits},
        "storage_gb": [{"what": each.what, "gb": list(each.gb), "local": each.local} for each in plan.storage],
        "storage_rule_gb": list(plan.rule_gb),
        "measured": None if asked.measured is None else asdict(asked.measured),
        "assumptions": list(assumptions(plan)),
    }


def to_markdown(plan: Plan) -> str:
    """Return it as a page."""
    return "\n".join([*_head(plan), "", *_time(plan), "", *_room(plan), "", *_people(), "", *_said(plan), ""])


def _head(plan: Plan) -> list[str]:
    asked, amount, config = plan.asked, plan.asked.amount, plan.asked.config
    windows = config.batch_size * config.accumulate
    all_of, learnt = (n / 1e6 for n in plan.n_weights)
    return [
        "# Plan of a training",
        "",
        "Made by `melisma train plan`. Ranges are from the best to the worst case.",
        "",
        "| what | |",
        "|---|---|",
        f"| model | {_plain(asked.name)}: {all_of:,.1f} million weights, {learnt:,.1f} learnt ({config.tuning}) |",
        f"| data | {amount.hours:,.1f} h in {amount.n_clips:,} clips, {amount.n_windows:,} windows of 30 s a pass"
        + (f", {amount.n_left_out:,} clips left out |" if amount.n_left_out else " |"),
        f"| training | {config.steps:,} steps of {windows} windows, {plan.passes:,.1f} passes, {config.precision} |",
        f"| hardware | {asked.devices} × {asked.hardware.name}, {asked.hardware.memory_gb:g} GB each |",
        f"| a step | {_range(plan.step_s)} s: {_range(plan.audio_s_per_s)} s of audio a second |",
        f"| **GPU-hours** | **{_range(plan.device_hours)}** |",
        f"| **wall time** | **{_range(plan.wall_hours)} h** |",
        f"| **cost** | **{_range(plan.cost)} US dollars** |",
        f"| memory of a device | {plan.memory_gb[0]:.1f} GB for weights, gradients and moments, about "
        f"{plan.memory_gb[1]:.1f} GB for a batch: {_verdict(plan)} |",
    ]


def _verdict(plan: Plan) -> str:
    if plan.fits:
        return "fits"
    return (
        "**does not fit**: take smaller batches with more of them a step, gradient checkpointing, LoRA, or more memory"
    )


def _time(plan: Plan) -> list[str]:
    rows = [f"| {each.name} | {_range(each.hours)} |" for each in plan.phases]
    return ["## Timeline of the machines", "", "| phase | hours |", "|---|---|", *rows]


def _room(plan: Plan) -> list[str]:
    rows = [f"| {each.what} | {_range(each.gb)} |" for each in plan.storage]
    here = [each.gb for each in plan.storage if each.local]
    total = (sum(low for low, _ in here), sum(high for _, high in here))
    return [
        "## Storage",
        "",
        "| what | GB |",
        "|---|---|",
        *rows,
        f"| **on the machine** | **{_range(total)}** |",
        f"| the contract's rule, 2 to 4 times the recordings | {_range(plan.rule_gb)} |",
    ]


def _people() -> list[str]:
    rows = [f"| {name} | {low}–{high} |" for name, low, high in _WORK]
    low, high = sum(low for _, low, _ in _WORK), sum(high for _, _, high in _WORK)
    return [
        "## Timeline of the people",
        "",
        "Days of work as the project's own plan has them (phases 0 to 7); nothing here is measured.",
        "",
        "| phase | days |",
        "|---|---|",
        *rows,
        f"| **together** | **{low}–{high}** |",
    ]


def _said(plan: Plan) -> list[str]:
    return ["## What this assumes", "", *(f"- {sentence}" for sentence in assumptions(plan))]


def _range(of: Range) -> str:
    low, high = (_number(value) for value in of)
    return low if low == high else f"{low}–{high}"


def _number(value: float) -> str:
    """Return two digits that count, or whole numbers.

    Examples
    --------
    >>> [_number(x) for x in (0.0, 0.0123, 4.56, 123.4, 12345.6)]
    ['0', '0.012', '4.6', '123', '12,346']
    """
    if value >= 100:
        return f"{value:,.0f}"
    return f"{float(f'{value:.2g}'):g}"


def _plain(name: str) -> str:
    """Return a name that cannot break a table."""
    return "".join(char if char.isalnum() or char in "-_./: " else "?" for char in name[:100])
