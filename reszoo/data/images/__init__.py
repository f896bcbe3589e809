"""From image files to arrays of the network's size: decoding and resizing."""
