"""The command line: parse, call, print. Commands live in small modules beside this one.

Every mistake ends in one line on stderr and exit code 2; Ctrl-C in one line
and 130; a bug in one line and 1. `J4D_DEBUG=1` shows the stack trace. Nothing
heavy is imported before a command runs, so help and encoding start in a
fraction of a second and `encode`, `decode`, `transcode`, `show` and `export`
never load PyTorch.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from j4d._version import __version__
from j4d.cli import files, measure, profiles
from j4d.cli.evaluate import evaluate
from j4d.cli.judge import judge
from j4d.cli.report import report
from j4d.cli.transcode import transcode
from j4d.errors import J4DError
from j4d.support import ranks
from j4d.support.printable import echo
from j4d.support.quiet import silence_pillow

USER_ERROR, INTERRUPTED, BUG = 2, 130, 1

app = typer.Typer(
    name="j4d",
    rich_markup_mode="rich",
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for command in (
    measure.learn,
    judge,
    files.encode,
    files.decode,
    transcode,
    evaluate,
    report,
    profiles.profiles,
    profiles.show,
    profiles.export,
    measure.demo,
):
    app.command()(command)


def _print_version(asked: bool) -> None:
    if asked:
        echo(f"j4d {__version__}")
        raise typer.Exit()


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """JPEG encoding parameters learned for vision models: ordinary JPEG files, fewer bytes.

    Encode with the built-in profile, learned for several classifiers:

    \b
      j4d encode photo.png --quality 40

    Or learn a profile for your model, encode with it, and measure what it gains:

    \b
      j4d learn --model timm:resnet18 --images photos -o profile.json
      j4d encode photos/*.png --profile profile.json --bpp 0.5 -o encoded
      j4d evaluate --model timm:resnet18 --images test -p profile.json -o report

    No model or photographs at hand? [bold]j4d demo[/bold] does all of it in a
    few minutes.
    """
    if context.invoked_subcommand is None:
        text = context.get_help()
        if text.strip():
            echo(text)


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit code."""
    if (
        "RANK" in os.environ
    ):  # whoever ends a run of several ranks says why; PyTorch's warnings that it left say nothing
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    silence_pillow()
    try:
        code = app(args=list(arguments), prog_name="j4d", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # the reader, `head` say, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = BUG
    except Exception as error:
        if os.environ.get("J4D_DEBUG"):
            raise
        code = _report(error)
    if code == INTERRUPTED:
        _say("interrupted")
    return code if isinstance(code, int) else 0


def _report(error: Exception) -> int:
    if isinstance(error, ranks.EndedError):
        return USER_ERROR  # whoever ended it has said why
    if isinstance(error, J4DError):
        _say(f"error: {error}")
        return USER_ERROR
    if isinstance(error, MemoryError):
        said = f": {error}" if str(error) else ""
        _say(f"error: out of memory{said}; give fewer or smaller pictures, or fewer --jobs")
        return USER_ERROR
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        _say(f"error: {where}{error.strerror or error}")
        return USER_ERROR
    if hasattr(error, "format_message"):  # click's usage errors; typer brings its own copy of click
        context = getattr(error, "ctx", None)
        hint = f" (see {context.command_path} --help)" if context is not None else ""
        if ranks.started_as()[0] == 0:  # all ranks were given the same command line
            _say(f"error: {error.format_message()}{hint}")
        return USER_ERROR
    _say(f"internal error: {type(error).__name__}: {error} (J4D_DEBUG=1 shows where; please report it)")
    return BUG


def _say(message: str) -> None:
    echo(f"j4d: {' '.join(message.split())}", err=True)


def main() -> None:
    """The `j4d` program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that has no letter for something
    sys.exit(run(sys.argv[1:]))
