"""All tests of this folder train on one thread."""

from threads import one_thread  # noqa: F401
