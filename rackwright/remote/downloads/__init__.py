"""What a host gets from elsewhere: files of a known digest, models, and how far it is."""
