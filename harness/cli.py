"""The command ``meterbench``: gathers the commands and turns mistakes into one message and exit code 4."""

from __future__ import annotations

import sys
from importlib import import_module
from pkgutil import iter_modules

import typer

from adapters.errors import BenchError, ConfigError, LabError

EXIT_ABORTED, EXIT_BENCH, EXIT_USAGE = 2, 3, 4

# Typer ships a click of its own, or uses the installed one, depending on its release; the root of what
# either raises for a wrong command line is found from what Typer makes public.
_UsageError: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


def make_app() -> typer.Typer:
    """Return the application with every command found in ``harness.commands``."""
    from harness import commands

    app = typer.Typer(
        name="meterbench",
        help="Replays test plans on real or virtual smart-meter benches and leaves evidence.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for module in sorted(info.name for info in iter_modules(commands.__path__)):
        register = getattr(import_module(f"harness.commands.{module}"), "register", None)
        if register is not None:
            register(app)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code; a mistake of the user is a sentence, not a traceback."""
    raise SystemExit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: list[str]) -> int:
    """Run a command and return its exit code: 4 for a wrong file or usage, 3 for a broken bench."""
    try:
        result = make_app()(arguments, prog_name="meterbench", standalone_mode=False)
    except _UsageError as error:
        message = getattr(error, "format_message", error.__str__)()
        return _say(f"meterbench: {message}", EXIT_USAGE) if message else EXIT_USAGE
    except ConfigError as error:
        return _say(str(error), EXIT_USAGE)
    except (BenchError, LabError) as error:
        return _say(f"meterbench: {error}", EXIT_BENCH)
    except (KeyboardInterrupt, typer.Abort):
        return _say("aborted", EXIT_ABORTED)
    except BrokenPipeError:
        return 0
    return result if isinstance(result, int) else 0


def _say(message: str, code: int) -> int:
    sys.stderr.write(f"{message}\n")
    return code


if __name__ == "__main__":
    main()
