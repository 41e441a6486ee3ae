"""Why it was wrong: what the errors have in common, by tests that allow for how much was tried."""
