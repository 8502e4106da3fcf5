"""The edge of the program: errors become one sentence and an exit code here, and nowhere else."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from melisma.cli.summary import shown
from melisma.core import environment
from melisma.core.errors import MelismaError

_VERBOSE = "melisma.verbose"  # key in the context's `meta`, which nested commands share
INTERRUPTED, _BROKEN_PIPE = 130, 141  # 128 + SIGINT, 128 + SIGPIPE, as a shell reports them
_BAD_PATH = 2


def _remember_verbose(context: typer.Context, value: bool) -> bool:
    context.meta[_VERBOSE] = context.meta.get(_VERBOSE, False) or value
    return value


# Options that every command offers in the same words.
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Say more; show where an error came from.", callback=_remember_verbose),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, for programs.")]


class Program(TyperGroup):
    """The root command: runs a command and maps what it raises."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a known error ends in one sentence on standard error and its exit code."""
        try:
            environment.settle()
            result = super().invoke(ctx)
            sys.stdout.flush()  # here, where a reader that went away can still be told from a fault
            return result
        except BrokenPipeError:
            _drop_output()
            raise typer.Exit(_BROKEN_PIPE) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except MelismaError as error:
            fail(ctx, str(error), error)
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            fail(ctx, _sentence(error), error)
            if error.filename is None:
                _drop_output()  # it may have been standard output that is full or gone
                raise typer.Exit(MelismaError.exit_code) from error
            raise typer.Exit(_BAD_PATH) from error
        except MemoryError as error:
            fail(ctx, "there is not enough memory for this", error)
            raise typer.Exit(MelismaError.exit_code) from error


def _sentence(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{os.fsdecode(error.filename)}: {reason}" if isinstance(error.filename, (str, bytes)) else reason


def fail(context: Any, sentence: str, error: BaseException) -> None:
    """Print the sentence, on one line, and the traceback in front of it where `-v` asks for it."""
    if context.meta.get(_VERBOSE):
        typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)
    typer.echo(f"error: {shown(' '.join(sentence.split()))}", err=True)


def _drop_output() -> None:
    """Point standard output at nothing, so that the interpreter's last flush does not fail again."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, sys.stdout.fileno())
    except (AttributeError, ValueError, OSError):
        pass  # a stream without a descriptor (a test's, a notebook's) has nothing to be flushed later
    finally:
        os.close(nothing)


def group(help: str) -> typer.Typer:
    """Make a sub-command group."""
    # Plain help: rich would double the time of `melisma --help` and wrap errors in boxes that programs cannot read.
    return typer.Typer(help=help, no_args_is_help=True, rich_markup_mode=None)
