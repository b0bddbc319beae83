-- A tour of the model
--
-- A team owns jobs and API keys. A job is one labelling effort: its spec says what is asked, of whom, how often and for
-- how much. Items come in by upload; each gets the next item_no of its job, dense from 0, so that answers load into
-- arrays without a look-up. A gold item is an item like any other, with a row in gold that says which label values are
-- right; nothing that leaves the house can tell the two apart.
--
-- Slice puts items into hits. An item, gold or not, stands in one hit of its job and no more (a constraint says so):
-- were gold to recur while other items do not, workers would soon know it. A hit is planned, then open on its market,
-- then shut (expired there, though accepted work may still come), then closed (deleted there; nothing can come).
--
-- What must happen on the market is an effect: a row written in the same transaction as its cause, with a token that
-- is a pure function of what it is for, sent after the commit, and sent again until it is known to have happened. One
-- that can never succeed is parked, the job is paused, and an event says why.
--
-- What workers hand in is an assignment: kept raw before it is parsed. Its answers are append-only; a worker's later
-- answer to the same item supersedes the earlier in inference, and both stay. Assignments that were rejected keep their
-- answers, which then carry no weight.
--
-- A run is one inference over a job's answers. consensus holds each item's current one and names its run;
-- consensus_history a row for each time that the label, the state or the confidence band changed.
--
-- Money is promised before it is owed: a hit's worst case is reserved on the job when the hit is planned, becomes spent
-- assignment by assignment as approvals are sent, and what is left is released when the hit is closed. Every step is a
-- row in money, and the job's two sums are checked against its budget by the database itself.
--
-- What is due is a row in due: a stage and its subject (a job; for collect, a market), with a count of what was wanted
-- and how much of that has been finished. A stage that saves its work finishes its due in the same transaction. The
-- notifications that wake workers carry nothing that is not in here.

CREATE TABLE team (
    team_id     text PRIMARY KEY CHECK (team_id ~ '^team_[0-9a-hjkmnp-tv-z]{26}$'),
    name        text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 200),
    created_at  timestamptz NOT NULL
);

CREATE TABLE api_key (
    key_id      text PRIMARY KEY CHECK (key_id ~ '^key_[0-9a-hjkmnp-tv-z]{26}$'),
    team_id     text NOT NULL REFERENCES team,
    name        text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    key_hash    bytea NOT NULL UNIQUE CHECK (octet_length(key_hash) = 32),
    scopes      text[] NOT NULL CHECK (cardinality(scopes) > 0),
    created_at  timestamptz NOT NULL,
    revoked_at  timestamptz
);

-- The answer that a request with this Idempotency-Key got, to be given again.
CREATE TABLE idempotency (
    team_id       text NOT NULL REFERENCES team,
    key           text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash  bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    job_id        text NOT NULL,
    created_at    timestamptz NOT NULL,
    PRIMARY KEY (team_id, key)
);

-- A configured place where workers come from. rate is calls a second; NULL is uncapped until the market throttles.
CREATE TABLE market (
    market_no   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    rate        float8 CHECK (rate > 0),
    tokens      float8 NOT NULL DEFAULT 0,
    paced_at    timestamptz NOT NULL
);

-- The same properties make the same HIT type; workers see HITs grouped by it.
CREATE TABLE hit_type (
    market_no           bigint NOT NULL REFERENCES market,
    properties_hash     bytea NOT NULL CHECK (octet_length(properties_hash) = 32),
    market_hit_type_id  text NOT NULL,
    created_at          timestamptz NOT NULL,
    PRIMARY KEY (market_no, properties_hash)
);

-- market_worker_id is personal data: it stands here and nowhere else.
CREATE TABLE worker (
    worker_id         text PRIMARY KEY CHECK (worker_id ~ '^worker_[0-9a-hjkmnp-tv-z]{26}$'),
    market_no         bigint NOT NULL REFERENCES market,
    market_worker_id  text NOT NULL,
    first_seen_at     timestamptz NOT NULL,
    UNIQUE (market_no, market_worker_id)
);

CREATE TABLE job (
    job_no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id          text NOT NULL UNIQUE CHECK (job_id ~ '^job_[0-9a-hjkmnp-tv-z]{26}$'),
    team_id         text NOT NULL REFERENCES team,
    market_no       bigint NOT NULL REFERENCES market,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    spec            jsonb NOT NULL,
    n_labels        int2 NOT NULL CHECK (n_labels BETWEEN 2 AND 100),
    guidelines_no   int2 NOT NULL DEFAULT 1 CHECK (guidelines_no > 0),
    state           text NOT NULL CHECK (state IN ('draft', 'running', 'paused', 'cancelling', 'cancelled', 'done')),
    pause_reason    text,
    next_item_no    int4 NOT NULL DEFAULT 0 CHECK (next_item_no >= 0),
    next_worker_no  int4 NOT NULL DEFAULT 0 CHECK (next_worker_no >= 0),
    next_hit_no     int4 NOT NULL DEFAULT 0 CHECK (next_hit_no >= 0),
    next_run_no     int4 NOT NULL DEFAULT 0 CHECK (next_run_no >= 0),
    budget_cents    bigint NOT NULL CHECK (budget_cents >= 0),
    reserved_cents  bigint NOT NULL DEFAULT 0 CHECK (reserved_cents >= 0),
    spent_cents     bigint NOT NULL DEFAULT 0 CHECK (spent_cents >= 0),
    created_at      timestamptz NOT NULL,
    launched_at     timestamptz,
    ended_at        timestamptz,
    CONSTRAINT budget_is_never_exceeded CHECK (reserved_cents + spent_cents <= budget_cents),
    CONSTRAINT paused_says_why CHECK ((state = 'paused') = (pause_reason IS NOT NULL)),
    CONSTRAINT launched_has_time CHECK (state IN ('draft', 'cancelled') OR launched_at IS NOT NULL),
    CONSTRAINT ended_has_time CHECK ((state IN ('cancelled', 'done')) = (ended_at IS NOT NULL)),
    CONSTRAINT ended_owes_nothing CHECK (state NOT IN ('cancelled', 'done') OR reserved_cents = 0)
);
CREATE INDEX job_by_team ON job (team_id, job_no);

-- What happened to a job that a person should be able to read later: state changes, alarms, parked effects.
CREATE TABLE job_event (
    event_no  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_no    bigint NOT NULL REFERENCES job,
    at        timestamptz NOT NULL,
    kind      text NOT NULL,
    message   text NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX job_event_by_job ON job_event (job_no, event_no);

CREATE TABLE item (
    job_no       bigint NOT NULL REFERENCES job,
    item_no      int4 NOT NULL CHECK (item_no >= 0),
    external_id  text NOT NULL CHECK (length(external_id) BETWEEN 1 AND 255),
    payload      jsonb NOT NULL CHECK (jsonb_typeof(payload) = 'object'),
    is_gold      boolean NOT NULL DEFAULT false,
    minimum      int2 NOT NULL CHECK (minimum > 0),
    maximum      int2 NOT NULL,
    target       float8 NOT NULL CHECK (target > 0 AND target <= 1),
    priority     int4 NOT NULL DEFAULT 0,
    batch        text,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'settled')),
    settled_by   text CHECK (settled_by IN ('target', 'maximum', 'withdrawn', 'person')),
    settled_at   timestamptz,
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (job_no, item_no),
    UNIQUE (job_no, external_id),
    CONSTRAINT redundancy_is_a_range CHECK (minimum <= maximum),
    CONSTRAINT settled_says_how CHECK ((state = 'settled') = (settled_by IS NOT NULL AND settled_at IS NOT NULL)),
    CONSTRAINT gold_is_only_withdrawn CHECK (NOT is_gold OR state = 'open' OR settled_by = 'withdrawn')
);
CREATE INDEX item_open ON item (job_no, item_no) WHERE state = 'open';

-- accepted: the label values that are right, each with a reason: [{"label": 3, "reason": "…"}].
CREATE TABLE gold (
    job_no           bigint NOT NULL,
    item_no          int4 NOT NULL,
    accepted         jsonb NOT NULL CHECK (jsonb_typeof(accepted) = 'array'),
    accepted_labels  int2[] NOT NULL CHECK (cardinality(accepted_labels) > 0),
    PRIMARY KEY (job_no, item_no),
    FOREIGN KEY (job_no, item_no) REFERENCES item
);

-- wanted: MaxAssignments as it should be on the market now. slots: as many as were reserved for; wanted never exceeds it.
CREATE TABLE hit (
    job_no         bigint NOT NULL REFERENCES job,
    hit_no         int4 NOT NULL CHECK (hit_no >= 0),
    state          text NOT NULL CHECK (state IN ('planned', 'open', 'shut', 'closed')),
    market_hit_id  text,
    guidelines_no  int2 NOT NULL CHECK (guidelines_no > 0),
    wanted         int2 NOT NULL CHECK (wanted > 0),
    slots          int2 NOT NULL,
    unit_cents     int4 NOT NULL CHECK (unit_cents >= 0),
    collected      int2 NOT NULL DEFAULT 0 CHECK (collected >= 0),
    reviewed       int2 NOT NULL DEFAULT 0 CHECK (reviewed >= 0 AND reviewed <= collected),
    pending        int2 NOT NULL DEFAULT 0 CHECK (pending >= 0),
    expires_at     timestamptz,
    created_at     timestamptz NOT NULL,
    posted_at      timestamptz,
    listed_at      timestamptz,
    closed_at      timestamptz,
    PRIMARY KEY (job_no, hit_no),
    CONSTRAINT wanted_is_reserved CHECK (wanted <= slots),
    CONSTRAINT posted_has_id CHECK (state = 'planned' OR closed_at IS NOT NULL
        OR (market_hit_id IS NOT NULL AND posted_at IS NOT NULL AND expires_at IS NOT NULL)),
    CONSTRAINT closed_has_time CHECK ((state = 'closed') = (closed_at IS NOT NULL))
);
CREATE INDEX hit_live ON hit (job_no, hit_no) WHERE state <> 'closed';
CREATE UNIQUE INDEX hit_on_market ON hit (market_hit_id) WHERE market_hit_id IS NOT NULL;
COMMENT ON COLUMN hit.pending IS 'accepted by workers and not handed in yet, as the market last said';

CREATE TABLE hit_slot (
    job_no   bigint NOT NULL,
    hit_no   int4 NOT NULL,
    slot     int2 NOT NULL CHECK (slot > 0),
    item_no  int4 NOT NULL,
    PRIMARY KEY (job_no, hit_no, slot),
    CONSTRAINT item_stands_in_one_hit UNIQUE (job_no, item_no),
    FOREIGN KEY (job_no, hit_no) REFERENCES hit,
    FOREIGN KEY (job_no, item_no) REFERENCES item
);

CREATE TABLE job_worker (
    job_no         bigint NOT NULL REFERENCES job,
    worker_no      int4 NOT NULL CHECK (worker_no >= 0),
    worker_id      text NOT NULL REFERENCES worker,
    first_seen_at  timestamptz NOT NULL,
    gold_right     int4 NOT NULL DEFAULT 0 CHECK (gold_right >= 0),
    gold_total     int4 NOT NULL DEFAULT 0 CHECK (gold_total >= gold_right),
    confusion      float8[],
    confusion_run  int4,
    PRIMARY KEY (job_no, worker_no),
    UNIQUE (job_no, worker_id),
    CONSTRAINT confusion_names_its_run CHECK ((confusion IS NULL) = (confusion_run IS NULL))
);

-- raw is what the market gave us, to the letter. problem says why it, or a part of it, could not be read.
CREATE TABLE assignment (
    job_no                bigint NOT NULL,
    assignment_no         bigint GENERATED ALWAYS AS IDENTITY,
    hit_no                int4 NOT NULL,
    worker_no             int4 NOT NULL,
    market_assignment_id  text NOT NULL,
    state                 text NOT NULL CHECK (state IN ('submitted', 'approved', 'rejected')),
    accepted_at           timestamptz,
    submitted_at          timestamptz NOT NULL,
    approve_by            timestamptz,
    collected_at          timestamptz NOT NULL,
    decided_at            timestamptz,
    raw                   text NOT NULL,
    problem               text,
    PRIMARY KEY (job_no, assignment_no),
    UNIQUE (job_no, market_assignment_id, worker_no),
    FOREIGN KEY (job_no, hit_no) REFERENCES hit,
    FOREIGN KEY (job_no, worker_no) REFERENCES job_worker,
    CONSTRAINT decided_has_time CHECK ((state = 'submitted') = (decided_at IS NULL))
);
CREATE INDEX assignment_of_hit ON assignment (job_no, hit_no);

CREATE TABLE answer (
    job_no         bigint NOT NULL,
    assignment_no  bigint NOT NULL,
    slot           int2 NOT NULL,
    item_no        int4 NOT NULL,
    worker_no      int4 NOT NULL,
    label          int2 NOT NULL CHECK (label >= 0),
    submitted_at   timestamptz NOT NULL,
    PRIMARY KEY (job_no, assignment_no, slot),
    FOREIGN KEY (job_no, assignment_no) REFERENCES assignment,
    FOREIGN KEY (job_no, item_no) REFERENCES item
);
CREATE INDEX answer_of_item ON answer (job_no, item_no);

-- token is what the market knows the request by; first_sent_at is committed before the first send, so that a row with
-- it and without an outcome is in doubt and is asked after before it is believed either way.
CREATE TABLE effect (
    effect_no      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_no         bigint NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('create', 'extend', 'expire', 'renew', 'approve', 'delete')),
    hit_no         int4 NOT NULL,
    assignment_no  bigint,
    generation     int4 NOT NULL CHECK (generation >= 0),
    token          text NOT NULL UNIQUE CHECK (length(token) BETWEEN 1 AND 64),
    detail         jsonb NOT NULL DEFAULT '{}',
    state          text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'done', 'parked', 'dropped')),
    attempts       int4 NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    due_at         timestamptz NOT NULL,
    first_sent_at  timestamptz,
    ended_at       timestamptz,
    last_error     text,
    created_at     timestamptz NOT NULL,
    FOREIGN KEY (job_no, hit_no) REFERENCES hit,
    FOREIGN KEY (job_no, assignment_no) REFERENCES assignment,
    CONSTRAINT ended_effect_has_time CHECK ((state IN ('done', 'dropped')) = (ended_at IS NOT NULL)),
    CONSTRAINT approve_names_assignment CHECK ((kind = 'approve') = (assignment_no IS NOT NULL))
);
CREATE INDEX effect_due ON effect (job_no, kind, due_at) WHERE state = 'due';
CREATE INDEX effect_open ON effect (job_no, hit_no) WHERE state IN ('due', 'parked');
CREATE UNIQUE INDEX one_approval_an_assignment ON effect (job_no, assignment_no) WHERE kind = 'approve';

-- Append-only: reserve and release change what is promised, spend moves a promise to what was paid.
CREATE TABLE money (
    entry_no       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_no         bigint NOT NULL REFERENCES job,
    at             timestamptz NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('reserve', 'spend', 'release')),
    cents          bigint NOT NULL CHECK (cents >= 0),
    hit_no         int4 NOT NULL,
    assignment_no  bigint,
    CONSTRAINT spend_names_assignment CHECK ((kind = 'spend') = (assignment_no IS NOT NULL))
);
CREATE INDEX money_of_job ON money (job_no, entry_no);
CREATE UNIQUE INDEX paid_once ON money (job_no, assignment_no) WHERE kind = 'spend';

CREATE TABLE run (
    job_no       bigint NOT NULL REFERENCES job,
    run_no       int4 NOT NULL CHECK (run_no >= 0),
    run_id       text NOT NULL UNIQUE CHECK (run_id ~ '^run_[0-9a-hjkmnp-tv-z]{26}$'),
    kind         text NOT NULL CHECK (kind IN ('interim', 'closing')),
    method       text NOT NULL,
    params       jsonb NOT NULL,
    n_items      int4 NOT NULL,
    n_workers    int4 NOT NULL,
    n_answers    int8 NOT NULL,
    n_iter       int4 NOT NULL,
    converged    boolean NOT NULL,
    objective    float8,
    prevalence   float8[],
    started_at   timestamptz NOT NULL,
    finished_at  timestamptz NOT NULL,
    PRIMARY KEY (job_no, run_no)
);

CREATE TABLE consensus (
    job_no         bigint NOT NULL,
    item_no        int4 NOT NULL,
    run_no         int4 NOT NULL,
    label          int2 NOT NULL CHECK (label >= 0),
    probabilities  float8[] NOT NULL,
    confidence     float8 NOT NULL CHECK (confidence >= 0 AND confidence <= 1),
    n_answers      int4 NOT NULL CHECK (n_answers >= 0),
    guidelines     int2[] NOT NULL,
    revision       int4 NOT NULL DEFAULT 1 CHECK (revision > 0),
    PRIMARY KEY (job_no, item_no),
    FOREIGN KEY (job_no, item_no) REFERENCES item,
    FOREIGN KEY (job_no, run_no) REFERENCES run
);

CREATE TABLE consensus_history (
    job_no         bigint NOT NULL,
    item_no        int4 NOT NULL,
    revision       int4 NOT NULL,
    at             timestamptz NOT NULL,
    run_no         int4 NOT NULL,
    label          int2 NOT NULL,
    confidence     float8 NOT NULL,
    n_answers      int4 NOT NULL,
    state          text NOT NULL,
    PRIMARY KEY (job_no, item_no, revision)
);

-- finished = wanted: nothing is due. due_at: not before.
CREATE TABLE due (
    stage     text NOT NULL CHECK (stage IN ('slice', 'publish', 'collect', 'score', 'infer', 'decide', 'settle', 'deliver')),
    subject   bigint NOT NULL,
    wanted    bigint NOT NULL DEFAULT 1,
    finished  bigint NOT NULL DEFAULT 0,
    due_at    timestamptz NOT NULL,
    PRIMARY KEY (stage, subject),
    CHECK (finished <= wanted)
);
CREATE INDEX due_now ON due (due_at) WHERE finished < wanted;
