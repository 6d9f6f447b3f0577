"""The root of the command line."""

import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gennaker.cli.applications import applications
from gennaker.cli.archives import import_executions
from gennaker.cli.config import config
from gennaker.cli.evaluating import evaluate
from gennaker.cli.executions import executions, judge
from gennaker.cli.pipelines import pipelines
from gennaker.cli.running import demo, doctor, up
from gennaker.cli.templates import templates
from gennaker.exits import MEANINGS, Exit, GennakerError

_EPILOG = "Exit codes: " + "; ".join(f"{code.value} {meaning}" for code, meaning in MEANINGS.items()) + "."


class _Root(TyperGroup):
    """Turns what went wrong into one line on standard error, and the exit code that goes with it."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except GennakerError as error:
            print(f"gennaker: {error.message}", file=sys.stderr)
            raise typer.Exit(error.code) from error
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED) from None
        except BrokenPipeError:
            sys.stderr.close()
            raise typer.Exit(Exit.OK) from None


app = typer.Typer(
    cls=_Root,
    name="gennaker",
    help="Run the platform, look into it, drive it.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(version("gennaker-cli"))
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Run the platform, look into it, drive it."""


app.command()(up)
app.command()(demo)
app.command()(doctor)
app.command()(judge)
app.command("eval")(evaluate)
executions.command("import")(import_executions)
app.add_typer(applications, name="application")
app.add_typer(pipelines, name="pipeline")
app.add_typer(templates, name="pipeline-template")
app.add_typer(executions, name="execution")
app.add_typer(config, name="config")
