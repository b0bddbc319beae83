-- A stage that has just done something long rests, however often it is wanted meanwhile; so does one that failed.
ALTER TABLE due ADD COLUMN rests_until timestamptz NOT NULL DEFAULT '-infinity';
