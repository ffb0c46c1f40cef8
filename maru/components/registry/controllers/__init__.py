"""What ties rows and content together, and clears away what nobody needs."""
