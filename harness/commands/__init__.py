"""The commands of ``meterbench``, one a module, each with ``register(app)``."""
