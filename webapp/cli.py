"""The shell. Commands are loaded when called, so that help answers at once; every fault becomes one line."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from engine import interpreter
from engine.errors import Cancelled, StudioError
from engine.paths import temporary_folder
from webapp import terminal

# Before torch is loaded, here and in every child process: threads that wait for each other spin for some microseconds,
# then sleep. Where two processes compute at once (a training, an explanation) long spinning takes the cores from who
# could use them; without any, a training that is alone takes a third longer.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
# oneDNN keeps the code that it compiles for every shape of a product. Prompts have ever new lengths, so of its usual
# thousand pieces few are met again; keeping those of the last steps alone saves a long training half a gigabyte.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

COMMANDS = {
    "run": "Run the pipeline here, with progress bars and a final table.",
    "launch": "Put a run into the queue of the worker.",
    "experiment": "Many runs as one question: start, follow and lead them together.",
    "tune": "Search for the configuration that validates best, by Optuna.",
    "resume": "Continue an unfinished run from its last checkpoint.",
    "cancel": "Stop a run; it keeps a checkpoint.",
    "runs": "List the runs with their state.",
    "clean": "Make room: remove results that are kept for other runs to share.",
    "export": "Write a run with all its files to one archive.",
    "import": "Add the run of an archive.",
    "recommend": "Recommend for your own list of titles: teacher and LLM side by side.",
    "explain": "Why an item is recommended: effects of titles, counterfactuals, order, soft prompt.",
    "drivers": "Which kinds of reasons drive each row of a run, and what the stages changed.",
    "faithfulness": "How far the reasons of a run are to be trusted, beside a random order.",
    "falsify": "Was the pattern distilled? Six tests that could show that it was not.",
    "reproduce": "Re-create the published tables, and compare.",
    "serve": "Start the app in the browser, with a worker.",
    "worker": "Start a worker alone.",
    "data": "List, describe, fetch and import data sets.",
    "settings": "List all settings with defaults, units and help.",
    "doctor": "Check versions, processor, memory, disk, sources, queue and database.",
}
"""Name and help of each command; its code is ``webapp/commands/<name>.py``."""

HELP = ("-h", "--help")
OK, UNEXPECTED, BAD_INPUT, STOPPED = 0, 1, 2, 128 + signal.SIGINT
"""Exit codes."""


class LazyGroup(click.Group):
    """Knows its commands by name and imports one only to run it or to show its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"webapp.commands.{cmd_name}").command
        command.help = command.help or COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name != "doctor" and not set(HELP).intersection(rest):  # it tells all that is wrong together
            from webapp import variables

            variables.check()
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": list(HELP), "max_content_width": 110})
@click.version_option(package_name="delrec-studio")
def delrec() -> None:
    """DELRec Studio: distil a sequential recommender into a language model, and ask it why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code: 0, 1 unexpected, 2 bad input, 130 stopped by Ctrl-C.

    A command may choose its own by ``context.exit``.
    """
    try:
        if arguments is None:  # this process is ours, and so is what libraries start in it
            terminal.prepare()
            terminal.check_text(sys.argv[1:])
            os.environ.update(interpreter.environment())
            temporary_folder()
        answer = delrec.main(arguments, prog_name="delrec", standalone_mode=False)
    except StudioError as error:
        return _fail(str(error), BAD_INPUT)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "delrec"
        return _fail(f"{error.format_message().rstrip('.')} — '{command} --help' shows the options", BAD_INPUT)
    except click.ClickException as error:
        return _fail(error.format_message(), BAD_INPUT)
    except (Cancelled, KeyboardInterrupt, click.Abort) as error:
        return _fail(f"stopped{f' — {error}' if isinstance(error, Cancelled) and str(error) else ''}", STOPPED)
    except BrokenPipeError:  # the reader, `head` say, has had enough
        sys.stdout = None
        return OK
    except Exception as error:
        from jobs import failures

        if message := failures.known(error):
            return _fail(str(message), BAD_INPUT)
        return _fail(f"unexpected {type(error).__name__} — the full trace is in {_log(error)}", UNEXPECTED)
    return answer if isinstance(answer, int) else OK


def _fail(message: str, code: int) -> int:
    click.echo(f"error: {' '.join(message.split())}" if code != STOPPED else message, err=True)
    return code


def _log(error: Exception) -> str:
    """Append the trace to the data folder's log and name that file."""
    from engine.paths import home

    trace = "".join(traceback.format_exception(error))
    path = home() / "errors.log"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {sys.argv}\n{trace}\n")
    except OSError:
        return f"the following lines (its log {path} cannot be written):\n{trace}"
    return str(path)


if __name__ == "__main__":
    sys.exit(main())
