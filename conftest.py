"""What all tests of the project share."""

# pytester: tests/harness runs pytest with the plug-in inside the tests. figures: what tests measured.
pytest_plugins = ["pytester", "tests.figures"]
