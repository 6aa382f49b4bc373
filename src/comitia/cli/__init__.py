"""The `comitia` command: one file a verb.

Every module of this package is a verb and declares its click command as `command`.  A verb is
imported only when it is called or listed, and imports what is heavy only when it runs.
"""

from __future__ import annotations

import importlib
import pkgutil

import click

from comitia import __version__


class Verbs(click.Group):
    """A click group that finds its commands among the modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = (module.name for module in pkgutil.iter_modules(__path__))
        return sorted(name for name in names if not name.startswith("_"))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"{__name__}.{name}").command
        assert isinstance(command, click.Command), f"comitia.cli.{name} declares no command"
        return command


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="comitia")
def main() -> None:
    """Consensus, from the paper to production.

    Example: comitia up
    """
