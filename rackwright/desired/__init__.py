"""What a host must have, as plain values computed from the plan before any host is asked."""
