"""What a host serves, asked as a client would: replicas, and the gateway."""
