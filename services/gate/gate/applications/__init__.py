"""Applications as Gate shows them: what front50 keeps, with the clusters that clouddriver sees."""
