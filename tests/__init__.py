"""The tests. A package, because a dependency of the tests installs one of the same name."""
