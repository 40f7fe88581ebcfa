"""No operation at all: what is left is pyinfra's own start and its connections."""
