"""Plans: a graph made ready for many runs at fixed shapes, and what such a run takes.

`sketch` decides what each value is and in which order tasks run, `straight` binds calls to buffers, `blocks` runs long
elementwise stretches a block at a time, `bound` is the finished plan. Every result has the bits that
`evaluate` gives.
"""
