"""The marketplace's SQL, one module per noun. A connection given to it sees the marketplace's schema.

Rows are locked in one order everywhere, assignment before HIT before requester, so that no two calls wait for
each other.
"""
