"""Checks of a service behind a gateway: Nginx, and what a client of it gets."""
