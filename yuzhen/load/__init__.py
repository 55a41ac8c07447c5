"""`yuzhen load`: patients and histories of another system come into the record, from Bundles and NDJSON files."""
