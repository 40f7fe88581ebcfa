"""What weights cost a fleet: time as a share of its link, and how often the origin gives them."""
