"""Classification in parts: written one by one, so that memory stays flat and a run that was stopped goes on."""
