"""From what went wrong to one sentence on stderr and an exit code; a person's mistake is never a traceback.

Exit codes: 0 agrees; 1 findings at the fail level; 2 usage, or unreadable input; 3 inconclusive and
nothing worse; 4 the service could not be reached, or failed; 130 interrupted.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final

from gradproof._cli.frames import add_frame, relative
from gradproof._cli.page import page_for, show
from gradproof._errors import GradproofError, TargetError
from gradproof._named_files import own

AGREES: Final = 0
FINDINGS: Final = 1
USAGE: Final = 2
INCONCLUSIVE: Final = 3
FAILED: Final = 4
INTERRUPTED: Final = 130
DEBUG_HINT: Final = (
    "this is a mistake in gradproof, please report it; `gradproof --debug ...` shows the traceback"
)
OURS: Final = Path(__file__).resolve().parent.parent
"""The folder of this package: frames in it are not the user's."""


class Mistake(Exception):
    """A mistake in how the command was called; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class UserFrame:
    """The line of the user's own code in which something was raised."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    scope: str


def guarded(work: Callable[[], int], *, debug: bool = False) -> int:
    """The exit code of the work, whatever happens in it."""
    try:
        return work()
    except KeyboardInterrupt:
        say("interrupted")
        return INTERRUPTED
    except SystemExit as left:  # the user's code asked for it: its code would look like one of ours
        say(f"the code under check left Python with sys.exit({left.code!r})", raised_by_user(left))
        return USAGE
    except BrokenPipeError:
        raise  # the reader of a pipe went away: the command line knows how to end quietly
    except (Mistake, GradproofError) as error:
        if debug:
            traceback.print_exc()
        tell(error)
        return error.exit_code if isinstance(error, GradproofError) else USAGE
    except OSError as error:
        if error.filename is None or raised_by_user(error) is not None:
            return _unexpected(error, debug=debug)
        say(f"{relative(str(error.filename))}: {(error.strerror or 'cannot be used').lower()}")
        return USAGE
    except Exception as error:  # noqa: BLE001  (the last place that can turn a surprise into a sentence)
        return _unexpected(error, debug=debug)


def tell(error: Exception) -> None:
    """The sentence of an error, and the user's line that raised what caused it."""
    frame = None
    cause = error.__cause__
    if isinstance(error, TargetError) and cause is not None:
        frame = raised_by_user(cause)
    say(str(error), frame)


def say(sentence: str, frame: UserFrame | None = None) -> None:
    """One sentence on stderr, with the source line under it."""
    page = page_for(sys.stderr)
    first, *rest = sentence.splitlines() or [""]
    page.add(("error: ", "bold red"), first)
    for line in rest:  # a caret under an expression: its columns must stay as they are
        page.add(f"  {line}")
    if frame is not None:
        own(frame.file, frame.file)
        where = f"{relative(frame.file)}:{frame.line}"
        if where not in sentence:
            page.add(f"  raised at {where} in {frame.scope}")
        add_frame(page, frame, indent="  ")
    show(page, sys.stderr)


def raised_by_user(error: BaseException) -> UserFrame | None:
    """The innermost line outside this package and outside installed packages that raised the error."""
    if isinstance(error, SyntaxError) and error.filename and _users(error.filename):
        start = error.offset or 0
        return UserFrame(
            error.filename,
            error.lineno or 0,
            start,
            error.end_lineno or 0,
            error.end_offset or 0,
            "the module",
        )
    found: UserFrame | None = None
    at: TracebackType | None = error.__traceback__
    while at is not None:
        code = at.tb_frame.f_code
        if _users(code.co_filename):
            where = list(code.co_positions())[at.tb_lasti // 2]
            line, end_line, start, end = where
            found = UserFrame(
                code.co_filename, at.tb_lineno, 0 if start is None or line != at.tb_lineno else start + 1,
                end_line or 0, 0 if end is None else end + 1, code.co_name,
            )  # fmt: skip
        at = at.tb_next
    return found


def _users(file: str) -> bool:
    if file.startswith("<"):
        return False
    path = Path(file)
    if {"site-packages", "dist-packages"} & set(path.parts) or path.is_relative_to(OURS):
        return False
    return not path.is_relative_to(Path(traceback.__file__).parent) and path.parts[-2:-1] != (
        "gradproof_proto",
    )


def _unexpected(error: BaseException, *, debug: bool) -> int:
    """An exception nobody foresaw: the user's function raised it, or it is our mistake."""
    if debug:
        traceback.print_exception(error)
    frame = raised_by_user(error)
    said = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(": ")
    if frame is None or _raised_here(error):
        say(f"{said}; {DEBUG_HINT}")
        return FAILED
    say(f"{relative(frame.file)}:{frame.line}: {frame.scope} raised {said}", frame)
    return USAGE


def _raised_here(error: BaseException) -> bool:
    """The innermost frame is ours, so the user's code did not raise it."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    file = "" if at is None else at.tb_frame.f_code.co_filename
    return any(part.startswith("gradproof") for part in Path(file).parts) and not _users(file)
