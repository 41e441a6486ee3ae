"""From files to rows: reading, normalising, splitting."""
