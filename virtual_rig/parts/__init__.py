"""What a site is made of: one module a family, each with its entries in a site file."""
