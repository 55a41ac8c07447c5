"""Transactions and batches, entry by entry."""
