"""Who may do what with an application; kept beside it, under the same name."""
