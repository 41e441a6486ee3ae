"""What went wrong, with evidence, from a run folder alone."""
