"""Voila on the server: kernels, configuration and the page template."""
