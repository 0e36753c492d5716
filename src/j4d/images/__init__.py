"""Image files and image sets, and their labels."""
