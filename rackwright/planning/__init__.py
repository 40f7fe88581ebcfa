"""Where everything declared will run, and how fast it will be."""
