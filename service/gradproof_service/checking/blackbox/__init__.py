"""Checking a function nobody can see into: its values are asked for, and differences decide.

There is no reference but the differences themselves, so a claim is held against them and their
bars; noise is measured first, from the values alone, and a function that answers differently to
the same question is told so.
"""

from gradproof_service.checking.blackbox.course import check_black_box

__all__ = ["check_black_box"]
