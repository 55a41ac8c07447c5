"""The demonstration: one remote follow-up visit from end to end, over the public interfaces alone."""
