"""What the allocator does with the memory of a step once it is freed."""

from __future__ import annotations

import ctypes
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of glibc's `mallopt` parameters (malloc.h)."""


_REUSES_HOLES = (2, 38)
"""The first glibc that fills the hole of a freed block with one of the same size if both are aligned, as all of
PyTorch's are (sourceware bug 14581)."""
_LARGE = 2**20


def keep_freed_memory() -> None:
    """Let glibc hand freed blocks to the next step and not back to the kernel, for the rest of the process.

    By default every activation of more than 32 MiB is mapped anew, and its pages are zeroed, at every step: a third of
    a training's time on a processor. The memory at its peak is the same. Does nothing where the C library is another.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    library = ctypes.CDLL(None)
    library.mallopt(_MMAP_THRESHOLD, 2**30)
    library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Let glibc map every block of 1 MiB or more by itself and hand it back once freed, for the rest of the process.

    Then a process takes what its tensors take, and a step up to a fifth more time. Does nothing where the C library is
    another.
    """
    if platform.libc_ver()[0] == "glibc":
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def leaves_holes() -> bool:
    """Whether the blocks that a step frees mostly lie waste until it ends: glibc before 2.38."""
    name, version = platform.libc_ver()
    return name == "glibc" and tuple(int(part) for part in version.split(".")[:2]) < _REUSES_HOLES
