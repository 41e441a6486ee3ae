"""Fitting: collator, loss, optimiser, guards, and the one module that knows the Trainer."""
