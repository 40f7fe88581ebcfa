"""The watchdog's parts: what a replica's signs of life mean, who may be restarted, what is kept."""
