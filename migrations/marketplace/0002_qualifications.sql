-- Qualifications
-- ==============
--
-- A *qualification type* belongs to the requester who made it; the five that belong to nobody are the marketplace's
-- own, under the ids that Mechanical Turk gave them. A *qualification* is one that a worker holds, with a value or
-- without, granted or revoked; a place is the value of the locale. What a worker's approvals come to is not stored: it
-- is counted when a requirement asks for it.
--
-- A *qualification request* is a worker's: pending until the requester decides. A type that is granted automatically
-- decides at once. A HIT type's requirements name types and what their value has to be; who does not meet them does
-- not accept its HITs, or does not even see them.

CREATE TABLE marketplace.qualification_type (
    qualification_type_id text PRIMARY KEY CHECK (qualification_type_id ~ '^[A-Z0-9]{1,64}$'),
    type_no               bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    requester_id          text REFERENCES marketplace.requester,
    name                  text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    keywords              text NOT NULL DEFAULT '' CHECK (char_length(keywords) <= 1000),
    description           text NOT NULL CHECK (char_length(description) BETWEEN 1 AND 2000),
    active                boolean NOT NULL,
    retry_delay_seconds   bigint CHECK (retry_delay_seconds >= 0),
    auto_granted          boolean NOT NULL DEFAULT false,
    auto_granted_value    integer,
    created_at            timestamptz NOT NULL,
    deleted_at            timestamptz CHECK (deleted_at >= created_at),
    CONSTRAINT qualification_type_granted_with_value CHECK (auto_granted = (auto_granted_value IS NOT NULL))
);
CREATE UNIQUE INDEX qualification_type_by_name ON marketplace.qualification_type (requester_id, lower(name))
    WHERE deleted_at IS NULL;

CREATE TABLE marketplace.qualification (
    qualification_type_id text NOT NULL REFERENCES marketplace.qualification_type,
    worker_id             text NOT NULL REFERENCES marketplace.worker,
    state                 text NOT NULL CHECK (state IN ('granted', 'revoked')),
    value                 integer,
    country               text CHECK (country ~ '^[A-Z]{2}$'),
    subdivision           text CHECK (subdivision ~ '^[A-Z0-9]{1,3}$'),
    granted_at            timestamptz NOT NULL,
    revoked_at            timestamptz,
    -- why it was revoked; the worker can read it
    reason                text,
    PRIMARY KEY (qualification_type_id, worker_id),
    CONSTRAINT qualification_revoked_at_a_time CHECK ((state = 'revoked') = (revoked_at IS NOT NULL)),
    CONSTRAINT qualification_place CHECK (subdivision IS NULL OR country IS NOT NULL)
);
CREATE INDEX qualification_of_worker ON marketplace.qualification (worker_id);

CREATE TABLE marketplace.qualification_request (
    qualification_request_id text PRIMARY KEY CHECK (qualification_request_id ~ '^[A-Z0-9]{1,64}$'),
    request_no               bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    qualification_type_id    text NOT NULL REFERENCES marketplace.qualification_type,
    worker_id                text NOT NULL REFERENCES marketplace.worker,
    state                    text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'granted', 'rejected')),
    submitted_at             timestamptz NOT NULL,
    decided_at               timestamptz CHECK (decided_at >= submitted_at),
    reason                   text,
    CONSTRAINT qualification_request_decided CHECK ((state = 'pending') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX qualification_request_pending
    ON marketplace.qualification_request (qualification_type_id, worker_id) WHERE state = 'pending';
CREATE INDEX qualification_request_of_worker
    ON marketplace.qualification_request (worker_id, qualification_type_id, submitted_at);

CREATE INDEX hit_type_with_requirements ON marketplace.hit_type
    USING gin (qualification_requirements jsonb_path_ops) WHERE qualification_requirements <> '[]';

INSERT INTO marketplace.qualification_type
    (qualification_type_id, name, description, active, created_at)
VALUES
    ('00000000000000000071', 'Location', 'The country where the worker lives, and its state or province.', true, now()),
    ('000000000000000000L0', 'HIT approval rate (%)',
     'The share of reviewed assignments that were approved; 100 before the hundredth submission.', true, now()),
    ('00000000000000000040', 'Number of HITs approved', 'How many of the worker''s assignments were approved.', true, now()),
    ('00000000000000000060', 'Adult content', 'The worker is of age and agreed to see adult content.', true, now()),
    ('2F1QJWKUDD8XADTFD2Q0G6UTO95ALH', 'Masters', 'The worker is one whom this marketplace calls a master.', true, now());
