"""Changes to the pharmacy's own tables, in order."""
