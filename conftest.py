"""What all tests of the project share."""

pytest_plugins = ["pytester"]  # tests/harness runs pytest with the plug-in inside the tests
