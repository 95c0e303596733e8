"""The options of a request, and the findings that they leave."""

from __future__ import annotations

from collections.abc import Sequence

from gradproof_proto.v1 import check_pb2 as chk

from gradproof_service.checking.report import Options
from gradproof_service.diagnostic import Finding
from gradproof_service.wire.requests import decode_options


def read_options(message: chk.Options) -> Options:
    """The options; raises `Fault` for what cannot be meant, such as a finding that does not exist."""
    options = decode_options(message)
    if options.suppress or options.select:
        from gradproof_service.findings.suppression import require_known

        require_known(options.suppress, "suppress")
        require_known(options.select, "select")
    return options


def sifted(findings: Sequence[Finding], options: Options) -> tuple[Sequence[Finding], int]:
    """The findings that are wanted, and how many are not."""
    if not (options.suppress or options.select):
        return findings, 0
    from gradproof_service.findings import suppression

    return suppression.sifted(findings, options)
