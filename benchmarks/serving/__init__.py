"""What engines give under load: their tokens a second, and what they say of their memory."""
