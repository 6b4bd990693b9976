"""Which query a GET asks for: path and parameters to a `Plan`, one module for each family of endpoints.

A plan's key holds everything that its answer depends on besides the state; the answer is the matching query of
`lictor_state`, encoded. What Consul refuses about a path or a parameter is refused here.
"""
