-- The marketplace's model: a tour
-- ===============================
--
-- A *requester* posts work and pays for it. It signs its calls with a *requester key*, whose secret has to be known
-- to verify a signature and is therefore encrypted under the installation key, which is not in this database.
--
-- A *HIT type* is a set of properties (title, reward, times ...). The same properties give the same type: `digest` is
-- the hash of them all and is unique per requester. A *HIT* is one question of one type, to be answered by
-- `max_assignments` different workers. An *assignment* is one worker's acceptance of one HIT:
--
--     accepted --> submitted --> approved
--        |             `-------> rejected --> approved   (a rejection overridden)
--        |--> returned    (the worker gave it back)
--        `--> abandoned   (its deadline passed)
--
-- Returned and abandoned assignments stay as rows, are invisible to the Requester API, and free both their place on
-- the HIT and the worker, who may accept it again. All others are *live*: one per worker and HIT.
-- The id of an assignment is what authorises its submission: it is unguessable, and it works once.
--
-- A HIT counts its live assignments by state in its own row, in the transaction that moves the assignment. What it
-- has left to offer, whether it is open, and the money held for it are computed from these counts by the database
-- and cannot disagree with them:
--
--     unused = max_assignments - pending - submitted - approved - rejected
--     open   = unused > 0, not lapsed, not disposed
--     held   = (reward + fee) x (pending + submitted + unused, or 0 for the unused once the HIT has lapsed)
--
-- A HIT *lapses* when its lifetime is over, and renewing it ends that. Work accepted earlier may still come in.
-- Its status on the wire follows from the same columns: Assignable while it is open; Reviewable when nothing is pending and nothing can be
-- accepted any more; Unassignable between the two; Reviewing if the requester said so; Disposed at the end.
--
-- Money is integer cents. The *ledger* is append-only and is the only way to move money:
--
--     entry     available  held   when
--     deposit      +              money put in by whoever runs the marketplace
--     withdrawal   -              money taken out
--     hold         -        +     a HIT is created, extended or renewed; a rejection is overridden
--     release      +        -     a HIT lapses or is disposed of; a place is given up after that; a rejection
--     reward                -     an approval: paid to the worker
--     fee                   -     an approval: the marketplace's share
--     bonus        -              paid to the worker
--     bonus_fee    -              the marketplace's share
--
-- A trigger keeps `requester.available_cents` equal to the sum of its entries, and a constraint keeps it from falling
-- below zero: that constraint is what "insufficient funds" means. The sum of a HIT's entries is what it holds. So at
-- any moment, to the cent: deposits - withdrawals = available + held + rewards + bonuses + fees.
--
-- A *request token* makes a creation, an extension or a bonus happen once; it is forgotten after 24 hours.
--
-- A *worker* is a person at the worker site. An *invitation* lets a person set a password once; a *session* is a
-- signed-in browser. Both are kept as hashes of what the browser holds.

CREATE SCHEMA IF NOT EXISTS marketplace;

CREATE TABLE marketplace.requester (
    requester_id    text PRIMARY KEY CHECK (requester_id ~ '^A[A-Z0-9]{1,63}$'),
    name            text NOT NULL UNIQUE CHECK (name <> ''),
    available_cents bigint NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL,
    CONSTRAINT requester_has_funds CHECK (available_cents >= 0)
);

CREATE TABLE marketplace.requester_key (
    access_key       text PRIMARY KEY CHECK (access_key ~ '^[A-Z0-9]{16,64}$'),
    requester_id     text NOT NULL REFERENCES marketplace.requester,
    secret_encrypted bytea NOT NULL,
    created_at       timestamptz NOT NULL,
    revoked_at       timestamptz CHECK (revoked_at >= created_at)
);
CREATE INDEX requester_key_of_requester ON marketplace.requester_key (requester_id);

CREATE TABLE marketplace.hit_type (
    hit_type_id                 text PRIMARY KEY CHECK (hit_type_id ~ '^[A-Z0-9]{1,64}$'),
    requester_id                text NOT NULL REFERENCES marketplace.requester,
    digest                      bytea NOT NULL,
    title                       text NOT NULL CHECK (char_length(title) BETWEEN 1 AND 128),
    description                 text NOT NULL CHECK (char_length(description) BETWEEN 1 AND 2000),
    keywords                    text NOT NULL CHECK (char_length(keywords) <= 1000),
    reward_cents                integer NOT NULL CHECK (reward_cents >= 0),
    assignment_duration_seconds integer NOT NULL CHECK (assignment_duration_seconds BETWEEN 30 AND 31536000),
    auto_approval_delay_seconds integer NOT NULL CHECK (auto_approval_delay_seconds BETWEEN 0 AND 2592000),
    qualification_requirements  jsonb NOT NULL DEFAULT '[]',
    created_at                  timestamptz NOT NULL,
    UNIQUE (requester_id, digest)
);

CREATE TABLE marketplace.hit (
    hit_id          text PRIMARY KEY CHECK (hit_id ~ '^[A-Z0-9]{1,64}$'),
    hit_no          bigint GENERATED ALWAYS AS IDENTITY,
    requester_id    text NOT NULL REFERENCES marketplace.requester,
    hit_type_id     text NOT NULL REFERENCES marketplace.hit_type,
    question        text NOT NULL CHECK (octet_length(question) <= 65535),
    annotation      text,
    reward_cents    integer NOT NULL CHECK (reward_cents >= 0),
    fee_cents       integer NOT NULL CHECK (fee_cents >= 0),
    max_assignments integer NOT NULL CHECK (max_assignments BETWEEN 1 AND 1000000000),
    -- the fee of a HIT depends on whether it started below ten, so it may never cross that line
    started_small   boolean NOT NULL,
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    pending         integer NOT NULL DEFAULT 0 CHECK (pending >= 0),
    submitted       integer NOT NULL DEFAULT 0 CHECK (submitted >= 0),
    approved        integer NOT NULL DEFAULT 0 CHECK (approved >= 0),
    rejected        integer NOT NULL DEFAULT 0 CHECK (rejected >= 0),
    lapsed          boolean NOT NULL DEFAULT false,
    reviewing       boolean NOT NULL DEFAULT false,
    disposed_at     timestamptz,
    unused          integer NOT NULL
        GENERATED ALWAYS AS (max_assignments - pending - submitted - approved - rejected) STORED,
    open            boolean NOT NULL
        GENERATED ALWAYS AS (NOT lapsed AND disposed_at IS NULL
                             AND max_assignments > pending + submitted + approved + rejected) STORED,
    held_cents      bigint NOT NULL
        GENERATED ALWAYS AS ((reward_cents + fee_cents)::bigint
                             * CASE WHEN lapsed THEN pending + submitted
                                    ELSE max_assignments - approved - rejected END) STORED,
    CONSTRAINT hit_never_over_accepted CHECK (pending + submitted + approved + rejected <= max_assignments),
    CONSTRAINT hit_fee_line CHECK (NOT started_small OR max_assignments < 10),
    CONSTRAINT hit_disposed_is_over CHECK (disposed_at IS NULL OR (lapsed AND pending = 0 AND submitted = 0))
) WITH (fillfactor = 70, toast_tuple_target = 256);
-- The question is kept out of line, so that counting an assignment does not copy it.
CREATE UNIQUE INDEX hit_in_order ON marketplace.hit (requester_id, hit_no) WHERE disposed_at IS NULL;
CREATE INDEX hit_open ON marketplace.hit (hit_type_id, hit_no) WHERE open;
CREATE INDEX hit_to_lapse ON marketplace.hit (expires_at) WHERE NOT lapsed;
CREATE INDEX hit_to_dispose ON marketplace.hit (expires_at) WHERE lapsed AND disposed_at IS NULL;

CREATE TABLE marketplace.worker (
    worker_id     text PRIMARY KEY CHECK (worker_id ~ '^A[A-Z0-9]{1,63}$'),
    name          text NOT NULL DEFAULT '',
    email         text,
    password_hash text,
    state         text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    invited_at    timestamptz NOT NULL,
    joined_at     timestamptz,
    CONSTRAINT worker_joined_with_password CHECK ((joined_at IS NULL) = (password_hash IS NULL))
);

CREATE TABLE marketplace.invitation (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    worker_id  text NOT NULL REFERENCES marketplace.worker,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at),
    used_at    timestamptz
);
CREATE INDEX invitation_of_worker ON marketplace.invitation (worker_id);

CREATE TABLE marketplace.session (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    worker_id  text NOT NULL REFERENCES marketplace.worker,
    csrf       text NOT NULL CHECK (csrf <> ''),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > created_at)
);
CREATE INDEX session_of_worker ON marketplace.session (worker_id);
CREATE INDEX session_to_expire ON marketplace.session (expires_at);

CREATE TABLE marketplace.assignment (
    assignment_id   text PRIMARY KEY CHECK (assignment_id ~ '^[A-Z0-9]{26,64}$'),
    hit_id          text NOT NULL REFERENCES marketplace.hit,
    worker_id       text NOT NULL REFERENCES marketplace.worker,
    state           text NOT NULL,
    accepted_at     timestamptz NOT NULL,
    deadline        timestamptz NOT NULL CHECK (deadline > accepted_at),
    submitted_at    timestamptz CHECK (submitted_at >= accepted_at),
    auto_approve_at timestamptz CHECK (auto_approve_at >= submitted_at),
    approved_at     timestamptz CHECK (approved_at >= submitted_at),
    rejected_at     timestamptz CHECK (rejected_at >= submitted_at),
    ended_at        timestamptz CHECK (ended_at >= accepted_at),
    answer          text,
    feedback        text,
    CONSTRAINT assignment_state CHECK (CASE state
        WHEN 'accepted' THEN submitted_at IS NULL AND approved_at IS NULL AND rejected_at IS NULL AND ended_at IS NULL
        WHEN 'submitted' THEN submitted_at IS NOT NULL AND approved_at IS NULL AND rejected_at IS NULL AND ended_at IS NULL
        WHEN 'approved' THEN submitted_at IS NOT NULL AND approved_at IS NOT NULL AND ended_at IS NULL
        WHEN 'rejected' THEN submitted_at IS NOT NULL AND approved_at IS NULL AND rejected_at IS NOT NULL AND ended_at IS NULL
        WHEN 'returned' THEN submitted_at IS NULL AND approved_at IS NULL AND rejected_at IS NULL AND ended_at IS NOT NULL
        WHEN 'abandoned' THEN submitted_at IS NULL AND approved_at IS NULL AND rejected_at IS NULL AND ended_at IS NOT NULL
        ELSE false END),
    CONSTRAINT assignment_answer_with_submission CHECK (
        (answer IS NULL) = (submitted_at IS NULL) AND (auto_approve_at IS NULL) = (submitted_at IS NULL))
);
CREATE UNIQUE INDEX assignment_one_per_worker ON marketplace.assignment (hit_id, worker_id)
    WHERE state NOT IN ('returned', 'abandoned');
CREATE INDEX assignment_of_worker ON marketplace.assignment (worker_id, accepted_at);
CREATE INDEX assignment_to_abandon ON marketplace.assignment (deadline) WHERE state = 'accepted';
CREATE INDEX assignment_to_approve ON marketplace.assignment (auto_approve_at) WHERE state = 'submitted';

CREATE TABLE marketplace.bonus (
    bonus_id      text PRIMARY KEY CHECK (bonus_id ~ '^[A-Z0-9]{1,64}$'),
    bonus_no      bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    requester_id  text NOT NULL REFERENCES marketplace.requester,
    assignment_id text NOT NULL REFERENCES marketplace.assignment,
    worker_id     text NOT NULL REFERENCES marketplace.worker,
    amount_cents  integer NOT NULL CHECK (amount_cents > 0),
    reason        text NOT NULL,
    granted_at    timestamptz NOT NULL
);
CREATE INDEX bonus_of_assignment ON marketplace.bonus (assignment_id);
CREATE INDEX bonus_of_worker ON marketplace.bonus (worker_id);

CREATE TABLE marketplace.request_token (
    requester_id text NOT NULL REFERENCES marketplace.requester,
    effect       text NOT NULL CHECK (effect IN ('hit', 'extension', 'bonus')),
    token        text NOT NULL CHECK (char_length(token) BETWEEN 1 AND 64),
    -- what a replay is told: the HIT's id, or the id of the request that did it
    made         text NOT NULL,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (requester_id, effect, token)
);
CREATE INDEX request_token_to_forget ON marketplace.request_token (created_at);

CREATE TABLE marketplace.ledger (
    entry_no        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    requester_id    text NOT NULL REFERENCES marketplace.requester,
    entry           text NOT NULL,
    amount_cents    bigint NOT NULL CHECK (amount_cents > 0),
    hit_id          text REFERENCES marketplace.hit,
    assignment_id   text REFERENCES marketplace.assignment,
    bonus_id        text REFERENCES marketplace.bonus,
    made_at         timestamptz NOT NULL,
    available_delta bigint NOT NULL GENERATED ALWAYS AS (amount_cents * CASE
        WHEN entry IN ('deposit', 'release') THEN 1
        WHEN entry IN ('withdrawal', 'hold', 'bonus', 'bonus_fee') THEN -1 ELSE 0 END) STORED,
    held_delta      bigint NOT NULL GENERATED ALWAYS AS (amount_cents * CASE
        WHEN entry = 'hold' THEN 1
        WHEN entry IN ('release', 'reward', 'fee') THEN -1 ELSE 0 END) STORED,
    CONSTRAINT ledger_entry CHECK (CASE
        WHEN entry IN ('deposit', 'withdrawal') THEN hit_id IS NULL AND assignment_id IS NULL AND bonus_id IS NULL
        WHEN entry IN ('hold', 'release') THEN hit_id IS NOT NULL AND bonus_id IS NULL
        WHEN entry IN ('reward', 'fee') THEN hit_id IS NOT NULL AND assignment_id IS NOT NULL AND bonus_id IS NULL
        WHEN entry IN ('bonus', 'bonus_fee') THEN assignment_id IS NOT NULL AND bonus_id IS NOT NULL
        ELSE false END)
);
-- Nothing is paid twice: an assignment has one reward and one fee, ever.
CREATE UNIQUE INDEX ledger_pays_once ON marketplace.ledger (assignment_id, entry) WHERE entry IN ('reward', 'fee');
CREATE UNIQUE INDEX ledger_bonus_once ON marketplace.ledger (bonus_id, entry) WHERE entry IN ('bonus', 'bonus_fee');
CREATE INDEX ledger_of_requester ON marketplace.ledger (requester_id, entry_no);

CREATE FUNCTION marketplace.ledger_moves_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE marketplace.requester
       SET available_cents = requester.available_cents + moved.delta
      FROM (SELECT requester_id, sum(available_delta)::bigint AS delta
              FROM entries GROUP BY requester_id ORDER BY requester_id) AS moved
     WHERE requester.requester_id = moved.requester_id AND moved.delta <> 0;
    RETURN NULL;
END
$$;
CREATE TRIGGER ledger_moves_balance AFTER INSERT ON marketplace.ledger
    REFERENCING NEW TABLE AS entries FOR EACH STATEMENT EXECUTE FUNCTION marketplace.ledger_moves_balance();

CREATE FUNCTION marketplace.ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: correct an entry with another entry';
END
$$;
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON marketplace.ledger
    FOR EACH STATEMENT EXECUTE FUNCTION marketplace.ledger_is_append_only();
