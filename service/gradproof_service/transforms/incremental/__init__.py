"""Values and gradients of a function that is being edited: after an edit only what it reaches is computed again.

Everything lives in one store of expressions in which equal ones are one (`store.py`): a node is known by its op, its
attributes and the expressions it reads, down to the inputs, so what an edit does not reach keeps its identity and with it
its value. The function's nodes are typed into the store (`primal.py`), their cotangents are emitted into it by the same
rules and summed in the same order as the reverse sweep does (`adjoint.py`), and `engine.py` puts the two together.
What comes out has the bits that `evaluate` of `vjp` gives for the same function from scratch.
"""
