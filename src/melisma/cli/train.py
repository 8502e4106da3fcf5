"""`melisma train …`: one command per trainer, and those that make what they need; in the extra `[train]`."""

from __future__ import annotations

from melisma.cli.program import group
from melisma.cli.train_ctc import ctc
from melisma.cli.train_material import accompaniment, align, sing, synthesise
from melisma.cli.train_phone import average, export, onsets, phone, plot, quantise, release, rows
from melisma.cli.train_plan import plan
from melisma.cli.train_supervise import supervise
from melisma.cli.train_whisper import whisper
from melisma.cli.train_whisper_processor import whisper_processor

app = group("Train the models (needs melisma[train]).")
app.command()(ctc)
app.command()(supervise)
app.command()(plan)
app.command()(whisper)
app.command("whisper-processor")(whisper_processor)
app.command()(phone)
app.command()(export)
app.command()(plot)
app.command()(quantise)
app.command()(release)
app.command()(accompaniment)
app.command()(sing)
app.command()(synthesise)
app.command()(align)
app.command()(rows)
app.command()(average)
app.command()(onsets)
