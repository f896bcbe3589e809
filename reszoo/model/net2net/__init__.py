"""Net2Net (Chen 2016): deeper and wider networks that compute the same function."""
