"""The accounts with which clouddriver reaches the clouds."""
