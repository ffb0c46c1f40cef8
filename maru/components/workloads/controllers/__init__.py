"""One controller a file: what it watches, and how it brings that right."""
