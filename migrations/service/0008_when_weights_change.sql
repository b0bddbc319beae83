-- When answers' weights changed last: by a suspension, the end of one, or another first answer without weight. A consensus
-- of a run that began before counts the wrong answers, though it may count as many.
ALTER TABLE job ADD COLUMN weighed_at timestamptz;
