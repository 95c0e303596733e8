"""The commands: for each its options, its body, and its sentence. A body is imported when it runs."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Final

TARGET: Final = "an expression in quotes, package.module:function, file.py:function, or a program file (.gpb, .gpt)"

Parser = argparse.ArgumentParser
Body = Callable[[argparse.Namespace], int]


def _target(p: Parser) -> None:
    p.add_argument("target", metavar="TARGET", type=str.strip, help=TARGET)
    p.add_argument(
        "--at", metavar="NAME=VALUE", action="append", default=[],
        help="an input's value: x=3.0, x=[1.3,0.7] or W=@w.npy; once for each input",
    )  # fmt: skip


def _selection(p: Parser) -> None:
    p.add_argument(
        "--wrt", metavar="NAME", action="append", default=[],
        help="differentiate by this input only; may be repeated (default: every float input)",
    )  # fmt: skip
    p.add_argument(
        "--output", metavar="NAME", action="append", default=[], dest="outputs",
        help="differentiate this output only; may be repeated (default: every float output)",
    )  # fmt: skip


def _answer(p: Parser) -> None:
    _format(p)
    p.add_argument(
        "-o",
        "--out",
        metavar="FILE",
        type=Path,
        help="write the answer to this file instead of stdout",
    )
    p.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_above_zero,
        help="give up after so many seconds (exit code 4)",
    )
    _server(p)


def _format(p: Parser) -> None:
    p.add_argument(
        "--format",
        choices=("text", "json"),
        default="text",
        help="text for people (default), JSON for programs",
    )


def _server(p: Parser) -> None:
    p.add_argument(
        "--server", metavar="ADDRESS", default="",
        help="HOST:PORT or unix:PATH of a service (default: $GRADPROOF_SERVER, else this process)",
    )  # fmt: skip


# One function for the options of each command, and one that runs it


def _check_options(p: Parser) -> None:
    _target(p)
    p.add_argument(
        "--claim", metavar="TARGET", default="", type=str.strip,
        help="the derivative you believe: a function, an expression or a program",
    )  # fmt: skip
    p.add_argument(
        "--claim-kind", choices=("gradient", "jacobian", "vjp", "jvp", "hessian", "hvp"),
        help="what the claim returns; guessed when it can be",
    )  # fmt: skip
    _selection(p)
    p.add_argument(
        "--order", type=int, choices=(1, 2), default=1, help="2 checks second derivatives too"
    )
    p.add_argument(
        "--rtol",
        metavar="R",
        type=_not_negative,
        help="relative difference forgiven beyond the error bars",
    )
    p.add_argument(
        "--atol",
        metavar="A",
        type=_not_negative,
        help="absolute difference forgiven beyond the error bars",
    )
    p.add_argument(
        "--tau", metavar="T", type=_not_negative,
        help="the relative error that `agrees` must be able to see (default: 1e-3)",
    )  # fmt: skip
    p.add_argument(
        "--rng-seed",
        metavar="N",
        type=_count,
        default=0,
        help="seeds every random choice (default: 0)",
    )
    p.add_argument(
        "--profile", choices=("numpy", "torch", "jax"), default="numpy",
        help="whose convention decides at kinks and ties (default: numpy)",
    )  # fmt: skip
    _answer(p)
    p.add_argument("--exit-zero", action="store_true", help="exit 0 instead of 1 or 3")
    p.add_argument(
        "--fail-level", choices=("error", "warning", "info"), default="error",
        help="the least finding that exits 1 (default: error)",
    )  # fmt: skip


def _check(given: argparse.Namespace) -> int:
    from gradproof._cli.check import Asked, run_check

    return run_check(
        Asked(
            given.target, given.claim, given.claim_kind, tuple(given.at), tuple(given.wrt), tuple(given.outputs),
            order=given.order, rtol=given.rtol, atol=given.atol, tau=given.tau, rng_seed=given.rng_seed,
            profile=given.profile, form=given.format, out=given.out, timeout_s=given.timeout,
            server=given.server, exit_zero=given.exit_zero, fail_level=given.fail_level,
        )
    )  # fmt: skip


def _eval_options(p: Parser) -> None:
    _target(p)
    _answer(p)
    p.set_defaults(verb="eval", wrt=(), outputs=(), mode="auto")


def _derivative_options(verb: str) -> Callable[[Parser], None]:
    def add(p: Parser) -> None:
        _target(p)
        _selection(p)
        p.add_argument(
            "--mode", choices=("auto", "forward", "reverse"), default="auto",
            help="how to compute it; the numbers are the same up to rounding",
        )  # fmt: skip
        _answer(p)
        p.set_defaults(verb=verb)

    return add


def _compute(given: argparse.Namespace) -> int:
    from gradproof._cli.compute import Wanted, run_compute

    return run_compute(
        Wanted(
            given.verb, given.target, tuple(given.at), tuple(given.wrt), tuple(given.outputs), given.mode,
            given.format, given.out, given.timeout, given.server,
        )
    )  # fmt: skip


def _show_options(p: Parser) -> None:
    _target(p)
    picture = p.add_mutually_exclusive_group()
    picture.add_argument(
        "--dot",
        dest="form",
        action="store_const",
        const="dot",
        default="text",
        help="draw it for Graphviz",
    )
    picture.add_argument(
        "--mermaid", dest="form", action="store_const", const="mermaid", help="draw it for Mermaid"
    )
    p.add_argument(
        "-o", "--out", metavar="FILE", type=Path, help="write it to this file instead of stdout"
    )
    _server(p)


def _show(given: argparse.Namespace) -> int:
    from gradproof._cli.programs import run_show

    return run_show(given.target, tuple(given.at), given.form, given.out, given.server)


def _convert_options(p: Parser) -> None:
    _target(p)
    p.add_argument(
        "-o", "--out", metavar="FILE", type=Path, required=True,
        help="the program file: .gpb is binary, .gpt is text",
    )  # fmt: skip


def _convert(given: argparse.Namespace) -> int:
    from gradproof._cli.programs import run_convert

    return run_convert(given.target, tuple(given.at), given.out)


def _ops_options(p: Parser) -> None:
    p.add_argument("--family", metavar="NAME", default="", help="only this part of the catalogue")
    _format(p)
    _server(p)


def _ops(given: argparse.Namespace) -> int:
    from gradproof._cli.catalogue import run_ops

    return run_ops(given.family, given.format, given.server)


def _explain_options(p: Parser) -> None:
    p.add_argument(
        "subject", metavar="CODE|OP", type=str.strip, help="the code or name of a finding, or an op"
    )
    _format(p)
    _server(p)


def _explain(given: argparse.Namespace) -> int:
    from gradproof._cli.catalogue import run_explain

    return run_explain(given.subject, given.format, given.server)


def _serve_options(p: Parser) -> None:
    p.add_argument(
        "address", metavar="ADDRESS", nargs="?", default="",
        help="unix:PATH or HOST:PORT to listen on (default: a socket of your own)",
    )  # fmt: skip
    p.add_argument(
        "--insecure", action="store_true", help="listen beyond this machine without encryption"
    )
    p.add_argument(
        "--threads", metavar="N", type=_count, help="calls that are computed at the same time"
    )
    p.add_argument(
        "--grace",
        metavar="SECONDS",
        type=_not_negative,
        help="time for open calls when told to stop",
    )


def _serve(given: argparse.Namespace) -> int:
    from gradproof._cli.serving import run_serve

    return run_serve(
        given.address, insecure=given.insecure, threads=given.threads, grace_s=given.grace
    )


def _health_options(p: Parser) -> None:
    p.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_above_zero,
        help="give up after so many seconds (exit code 4)",
    )
    _server(p)


def _health(given: argparse.Namespace) -> int:
    from gradproof._cli.serving import run_health

    return run_health(given.server, given.timeout)


def _not_negative(text: str) -> float:
    return _number(text, lambda x: x >= 0, "a number of zero or more")


def _above_zero(text: str) -> float:
    return _number(text, lambda x: x > 0, "a number above zero")


def _count(text: str) -> int:
    return int(_number(text, lambda x: x >= 0 and x == int(x), "a whole number of zero or more"))


def _number(text: str, fits: Callable[[float], bool], expected: str) -> float:
    try:
        value = int(text) if text.strip().isdigit() else float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not fits(value):
        raise argparse.ArgumentTypeError(f"expected {expected}, {text.strip()!r} came")
    return value


COMMANDS: Final[dict[str, tuple[str, Callable[[Parser], None], Body]]] = {
    "check": (
        "Check the derivatives of a function, and those claimed for it.",
        _check_options,
        _check,
    ),
    "eval": ("Print the outputs of a function at a point.", _eval_options, _compute),
    "grad": (
        "Print the gradient of a function with one number as output.",
        _derivative_options("grad"),
        _compute,
    ),
    "jacobian": (
        "Print the Jacobian of a function, of shape (*output.shape, *input.shape).",
        _derivative_options("jacobian"),
        _compute,
    ),
    "hessian": (
        "Print the Hessian of a function with one number as output.",
        _derivative_options("hessian"),
        _compute,
    ),
    "show": ("Print a function as a program, typed when a point is given.", _show_options, _show),
    "convert": (
        "Write a function as a program file, all of it or nothing.",
        _convert_options,
        _convert,
    ),
    "ops": ("List the operations a program can be made of.", _ops_options, _ops),
    "explain": (
        "Explain a finding or an operation, and what to do about it.",
        _explain_options,
        _explain,
    ),
    "serve": ("Start a service; it runs until it is interrupted.", _serve_options, _serve),
    "health": ("Ask whether a service answers.", _health_options, _health),
}
