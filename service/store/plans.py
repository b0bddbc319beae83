"""What the planner cannot know."""

# For statements that read a whole job. Where tables are so new that nothing is known of them, or of this job, the
# planner takes what it joins for one row, and goes through all of the job for each item or answer.
BY_HASH = "SET LOCAL enable_nestloop = off"
