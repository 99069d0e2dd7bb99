"""Head ends of the virtual rig, put on HTTP: thin layers between a model and a port."""
