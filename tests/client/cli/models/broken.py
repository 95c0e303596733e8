import no_such_module_anywhere  # noqa: F401  (that it cannot be imported is the point)
