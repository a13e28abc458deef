"""Looks for interleavings that break a law, shrinks and keeps them. It knows no service, and no protocol by name."""
