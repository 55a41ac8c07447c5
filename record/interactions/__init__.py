"""What a client may ask of one type or one resource, and how it is answered."""
