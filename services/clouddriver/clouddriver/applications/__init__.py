"""What an application has in the clouds: clusters, server groups, load balancers."""
