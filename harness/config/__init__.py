"""Plan and bench files: their models, their JSON Schemas and the checks that need no device."""
