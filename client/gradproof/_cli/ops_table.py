"""The catalogue of ops as a table, for a terminal: Rich is imported here, and only for that."""

from __future__ import annotations

from collections.abc import Iterable

from gradproof_proto.v1 import catalogue_pb2 as cat
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradproof._cli.catalogue import NAMESPACE
from gradproof._cli.page import WIDE


def print_ops(ops: Iterable[cat.OpDescription]) -> None:
    """Print ops in the order they come in, a block for each family, with what a derivative must look out for."""
    console = Console(highlight=False)
    table = Table(box=SIMPLE_HEAD, width=min(console.width, WIDE))
    table.add_column("op", style="cyan", no_wrap=True)
    table.add_column("meaning", ratio=5)
    table.add_column("domain", ratio=3)
    table.add_column("kinks at", ratio=3)
    family = ""
    for op in ops:
        if op.family != family:
            family = op.family
            table.add_section()
            table.add_row(Text(family, "bold"))
        name, *rest = op.name.removeprefix(NAMESPACE), op.meaning, _list(op.domain), _list(op.kinks)
        table.add_row(f"  {name}", *(Text(cell) for cell in rest))
    console.print(table)


def _list(sentences: Iterable[str]) -> str:
    """The sentences one after the other, each once: operands that share a kink name it twice."""
    return ", ".join(dict.fromkeys(sentences))
