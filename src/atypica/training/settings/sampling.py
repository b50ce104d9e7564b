"""Which figures make a batch."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from atypica.core.settings import Settings


class SamplingSettings(Settings):
    """Which figures make a batch; how far AMF and NMF are balanced says `training.balance`."""

    exact: bool = False
    """Every batch holds AMF and NMF in the balanced shares; otherwise it does so on average."""
    domain: str = ""
    """A column (dataset, scanner, tumor) whose values are drawn equally often; labels are balanced within each."""
    loss_domain: str = ""
    """A column whose values weigh the same in the loss, however many figures they have."""
    batches_per_epoch: int = Field(default=0, ge=0)
    """0: as many whole batches as the figures make."""

    @model_validator(mode="after")
    def _exact_or_by_domain(self) -> Self:
        if self.exact and self.domain:
            raise ValueError("'exact' and 'domain' do not go together: set one of them")
        return self
