"""How a host is reached: by OpenSSH's own reading of its configuration, and as root by sudo."""
