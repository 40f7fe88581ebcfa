"""The NVIDIA driver of a server, decided: what is installed, in which order, and what may fail."""
