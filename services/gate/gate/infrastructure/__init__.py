"""What runs in the clouds: clusters, server groups, load balancers, manifests, images; clouddriver answers."""
