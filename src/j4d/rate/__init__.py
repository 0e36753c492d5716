"""What files will weigh, estimated from the spectrum of a set of images."""
