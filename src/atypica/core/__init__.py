"""The vocabulary and the plumbing that every other floor stands on."""
