"""The YAML: its schema, and how it is read."""
