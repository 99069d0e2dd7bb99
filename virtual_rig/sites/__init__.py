"""Virtual sites that ship with the product, one YAML file each, found by ``--bench virtual:<name>``."""
