"""What an account may do in its cluster, what it needs, and the RBAC objects that close the gap."""
