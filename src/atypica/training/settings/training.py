"""The loop."""

from __future__ import annotations

from pydantic import Field

from atypica.core.settings import Settings


class TrainingSettings(Settings):
    """The loop."""

    epochs: int = Field(ge=1)
    batch_size: int = Field(default=64, ge=2)
    balance: float = Field(default=1.0, ge=0, le=1)
    """1 draws AMF and NMF equally often, 0 as they come."""
    ema_decay: float = Field(default=0.0, ge=0, lt=1)
    """Decay a step of the averaged weights that are kept; 0 keeps the last weights."""
    soft_labels: bool = True
    """Teach the share of the votes for AMF; otherwise the label."""
    mixup: float = Field(default=0.0, ge=0)
    """Alpha of mixup (Zhang et al., ICLR 2018); 0 mixes nothing."""
    precision: str = "32-true"
    """Lightning's name of a precision."""
    compile: bool = False
    """Compile the network with TorchInductor, which needs a C++ compiler; the same model within rounding."""
