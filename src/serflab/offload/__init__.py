"""Liqo-style peerings between serfs, and the virtual pods that run across them."""
