"""A Grand Challenge algorithm: the platform's interface, its two ways of calling, and a check of what is handed in."""
