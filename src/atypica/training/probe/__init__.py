"""Probes: what a frozen backbone's features already know, by a head that is solved and not trained."""
