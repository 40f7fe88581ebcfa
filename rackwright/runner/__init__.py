"""All that touches pyinfra: the connector, the batched operations, the fleet of this run."""
