"""Tables as cells, one file a table, and the formats that they are written in."""
