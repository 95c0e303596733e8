"""Values and gradients of a function that is being edited: after an edit only what it reaches is computed again.

Everything lives in one store of expressions in which equal ones are one (`store.py`): a node is known by its op, its
attributes and the expressions it reads, down to the inputs, so what an edit does not reach keeps its identity and with it
its value. The function's nodes are typed into the store (`primal.py`), their cotangents are emitted into it by the same
rules and summed in the same order as the reverse sweep does (`adjoint.py`), and `engine.py` puts the two together.
What comes out has the bits that `evaluate` of `vjp` gives for the same function from scratch.

`engine.py` is the quick stage of a document, at one point, in the process that serves. `lineage.py` is what a worker keeps of a
long document for the whole check: its inputs stay inputs, tangents are emitted too (`tangents.py`), and each run over values
or derivatives, at some points, plain or with its rounding disturbed, is kept with the values of all nodes (`family.py`). A
graph that was adopted computes by them wherever a check evaluates it (`memory.py`).
"""
