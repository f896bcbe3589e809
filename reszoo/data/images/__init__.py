"""Images: decoding files, and resizing to a network's input."""
