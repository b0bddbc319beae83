"""The composition root: the processes that Assay runs as, put together from service and marketplace."""
