"""What engines have compiled, on its way from one replica to another: seeds."""
