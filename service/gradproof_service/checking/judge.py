"""What claims of one order are judged with, and the form in which the reference meets them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import Pair
from gradproof_service.checking.reference import Block, Reference, blocks_of
from gradproof_service.checking.report import (
    Answer,
    Ask,
    Claim,
    Comparison,
    Options,
    Proof,
    Source,
    Verdict,
)
from gradproof_service.checking.report import Block as Given
from gradproof_service.checking.scene import Scene
from gradproof_service.checking.seen import Sides
from gradproof_service.diagnostic import Finding, Severity
from gradproof_service.graph.program import Program

Asker = Callable[[Ask], Answer]


@dataclass(slots=True)
class Judge:
    """Everything that claims of one order are judged with; bars by precision are kept."""

    scene: Scene
    reference: Reference
    sides: dict[int, Sides]
    options: Options
    program: Program | None
    ask: Asker | None
    subject: Source = Source.CLAIM
    proofs: list[Proof] = field(default_factory=list[Proof])
    comparisons: list[Comparison] = field(default_factory=list[Comparison])
    findings: list[Finding] = field(default_factory=list[Finding])
    kinked: set[str] | None = None
    """Ops that stand exactly on a kink at the point, once they have been looked for."""
    claimed: list[Given] = field(default_factory=list[Given])
    """Whole claims as they were compared, kept when evidence is asked for."""
    coarse: dict[float, dict[tuple[int, int], Block]] = field(
        default_factory=dict[float, "dict[tuple[int, int], Block]"]
    )

    def block(self, o: int, i: int, eps: float) -> Block | None:
        """The reference block with the bar that computing at spacing `eps` would have."""
        block = self.reference.blocks.get((o, i))
        if block is None or eps <= 2.0**-52:
            return block
        if eps not in self.coarse:
            mode = "reverse" if self.reference.source is Source.REVERSE else "forward"
            self.coarse[eps] = blocks_of(self.scene, mode, eps)
        return Block(block.value, self.coarse[eps][o, i].bar)

    def refuse(
        self, claim: Claim, o: int, i: int, code: str, name: str, message: str, mend: str
    ) -> None:
        """A claim that cannot even be compared: it disagrees, and a finding says why."""
        pair = pair_of(self, claim, o, i)
        text = f"the claimed {claim.kind.name.lower()} of {pair.output} by {pair.input} {message}"
        self.comparisons.append(
            Comparison(
                output=pair.output, input=pair.input, second_input=pair.second_input,
                kind=claim.kind, subject=self.subject, against=self.reference.source,
                verdict=Verdict.DISAGREES, detail=text,
            )
        )  # fmt: skip
        self.findings.append(
            Finding(
                code, name, Severity.ERROR, text, input=pair.input, output=pair.output,
                location=claim.location, mend=mend,
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expected:
    """The reference in the claim's form: values, error bars, and the doubt in which no claim is accused.

    `blur` is what a float32 temporary may move a rule's results by, forgiven where nothing is said.
    """

    value: Array
    bar: Array
    doubt: Array | float = 0.0
    reason: str = "noise"
    blur: Array | float = 0.0
    by_convention: bool = False
    """Whether some slope at a kink is another library's, by the profile, and not ours."""


def pair_of(judge: Judge, claim: Claim, o: int, i: int) -> Pair:
    """The names under which a claim is held against the reference."""
    return replace(judge.scene.pair(o, i, judge.subject, judge.reference.source), kind=claim.kind)
