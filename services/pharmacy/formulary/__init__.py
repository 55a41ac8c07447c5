"""The medicines the city's doctors may order, as a small unreviewed demonstration formulary."""
