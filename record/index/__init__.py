"""What a resource can be found by: search parameters, the walks that follow them, and the rows they leave."""
