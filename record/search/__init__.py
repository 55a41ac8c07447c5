"""A search request read, put into SQL, and answered by pages."""
