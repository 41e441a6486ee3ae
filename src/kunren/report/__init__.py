"""Records for people, made from a run folder alone."""
