"""What a reader may say of a figure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from atypica.core.errors import SettingsError
from atypica.core.vocabulary import Label, Subtype

LONGEST_COMMENT = 2000


class Call(StrEnum):
    """A reader's judgment of a figure."""

    NMF = "NMF"
    AMF = "AMF"
    UNSURE = "unsure"
    NOT_MITOSIS = "not_mitosis"

    @property
    def display(self) -> str:
        """The name as a person reads it."""
        return {Call.UNSURE: "unsure", Call.NOT_MITOSIS: "not a mitosis"}.get(self, self.value)


@dataclass(frozen=True)
class Ballot:
    """One judgment; a call of None leaves a comment alone.

    Attributes:
        call: the judgment.
        subtype: of the called side; None where the reader names none.
        comment: free text; None keeps the comment that stands.

    Raises:
        SettingsError: the comment is too long, or holds what a database cannot.
    """

    call: Call | None
    subtype: Subtype | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        if self.comment is not None and len(self.comment) > LONGEST_COMMENT:
            raise SettingsError(f"the comment has {len(self.comment)} characters", f"keep it to {LONGEST_COMMENT}")
        if self.comment is not None and "\0" in self.comment:
            raise SettingsError("the comment holds a NUL character", "type it anew")

    @classmethod
    def parse(cls, call: str, subtype: str = "", comment: str | None = None) -> Ballot:
        """Read a ballot as a form sends it.

        Raises:
            SettingsError: no such call or subtype, a subtype of the other side, or a comment that is too long.
        """
        try:
            ballot = cls(Call(call) if call else None, Subtype(subtype) if subtype else None, comment)
        except ValueError as error:
            raise SettingsError(f"this is no vote: {error}", "choose one of the buttons") from error
        side = ballot.subtype.side.value if ballot.subtype else None
        if side is not None and side != ballot.call:
            raise SettingsError(f"{subtype} is a subtype of {side}, not of {call or 'a comment'}", f"call it {side}")
        return ballot


def as_vote(call: str | None) -> float:
    """1 for AMF, 0 for NMF, NaN for everything else (unsure and not a mitosis are no side)."""
    return {Label.AMF.value: 1.0, Label.NMF.value: 0.0}.get(call or "", float("nan"))
