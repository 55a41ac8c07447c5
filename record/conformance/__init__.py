"""What the house says it can do, made from what it really registers."""
