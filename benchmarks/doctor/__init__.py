"""Plants faults in tiny experiments and asks who names them, and when: kunren and its peer."""
