"""What servers give one another: files of known digests, in pieces, while they still take them."""
