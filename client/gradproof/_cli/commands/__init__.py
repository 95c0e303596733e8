"""The commands, a file for each family: every function declares one, and gives back the work it stands for.

Typer reads the options from these signatures. What a command needs is imported when it runs, so that
help and mistakes in the usage stay quick.
"""

from gradproof._cli.commands import verdict  # isort: skip
from gradproof._cli.commands import numbers  # isort: skip
from gradproof._cli.commands import programs  # isort: skip
from gradproof._cli.commands import reference  # isort: skip
from gradproof._cli.commands import service  # isort: skip
from gradproof._cli.commands.root import Work, app

__all__ = ["Work", "app", "numbers", "programs", "reference", "service", "verdict"]
