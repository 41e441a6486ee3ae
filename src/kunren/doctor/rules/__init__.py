"""The rules, by what they look at. Pure functions of the evidence that their parameters name."""
