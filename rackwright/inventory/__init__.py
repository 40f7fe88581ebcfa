"""The inventory of hosts to a fleet of values: reading, and rules across entries."""
