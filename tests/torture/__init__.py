"""The faults that the sync must survive: each scenario is a function, run short by the tests and long by `make torture`.

A scenario does its worst to a database, its workers and a judge that issues documents and remembers every request. Then
one judgement looks at everything: nothing lost, nothing twice, nothing said that is not so.
"""
