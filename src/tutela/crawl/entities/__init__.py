"""Names that can tell a person or an account across sites, one module for each kind."""
