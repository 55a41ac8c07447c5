"""What stays as proof: the document a doctor signs, and who did what to it."""
