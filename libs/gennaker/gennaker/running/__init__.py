"""What `gennaker up`, `gennaker demo` and `gennaker doctor` do."""
