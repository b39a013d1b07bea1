-- +goose Up

-- The archive: what installations recorded, insert only. Everything about a job
-- that may contain any byte is bytea, exactly as it was recorded; text columns
-- are copies for filters, with what Postgres refuses replaced.
--
-- Nobody may change or remove a row: there are no grants for it, and triggers
-- refuse it even to the owner of the tables. Retention and spills go through
-- functions at the end of this file, which leave a row in "removal".

-- +goose StatementBegin
CREATE FUNCTION vmo.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'TRUNCATE' AND coalesce(current_setting('vmo.maintenance', true), '') = 'on' AND current_user = 'vmo_owner' THEN
		RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
	END IF;
	RAISE EXCEPTION 'the archive is append-only: % of % is refused', lower(TG_OP), TG_TABLE_NAME
		USING ERRCODE = '42501', HINT = 'Retention and spills have functions of their own: vmo db retention.';
END $$;
-- +goose StatementEnd

-- The version of these tables, and the oldest program that may write them: a
-- program knows the number of the last migration that it contains.
CREATE TABLE vmo.schema_version (
	version    int PRIMARY KEY,
	oldest     int NOT NULL,
	applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO vmo.schema_version (version, oldest) VALUES (1, 1);

-- A journal on a laptop. It belongs to the login that registered it: nobody else
-- can add to its records.
CREATE TABLE vmo.installation (
	installation_id text PRIMARY KEY CHECK (length(installation_id) BETWEEN 1 AND 100),
	operator        text NOT NULL DEFAULT session_user,
	laptop          text NOT NULL CHECK (length(laptop) <= 300),
	first_seen      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- When an installation was here last: the one table whose rows change.
CREATE TABLE vmo.presence (
	installation_id text PRIMARY KEY,
	laptop          text NOT NULL CHECK (length(laptop) <= 300),
	seen_at         timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- +goose StatementBegin
CREATE FUNCTION vmo.stamp_presence() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.seen_at := clock_timestamp();
	RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON vmo.presence FOR EACH ROW EXECUTE FUNCTION vmo.stamp_presence();

CREATE TABLE vmo.ledger (
	installation_id text NOT NULL,
	n               bigint NOT NULL CHECK (n > 0),
	kind            text NOT NULL,
	job_id          uuid,
	at              timestamptz,
	body            bytea NOT NULL,
	sig             bytea NOT NULL,
	hash            bytea NOT NULL GENERATED ALWAYS AS (sha256(body)) STORED,
	received_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (installation_id, n)
);
CREATE INDEX ledger_job ON vmo.ledger (job_id) WHERE job_id IS NOT NULL;

CREATE TABLE vmo.job (
	job_id           uuid PRIMARY KEY,   -- UUIDv7: the order of ids is the order of time
	run_id           uuid,
	installation_id  text NOT NULL,
	operator         text NOT NULL DEFAULT session_user,
	claimed_operator text NOT NULL,      -- user@laptop, as its record says
	host             text NOT NULL,
	project          text NOT NULL,
	target           text NOT NULL,
	source           text NOT NULL,
	command          text NOT NULL,      -- argv joined by blanks, cut
	tty              boolean NOT NULL,
	queued_at        timestamptz NOT NULL,
	prelude          bytea NOT NULL,
	begin            bytea NOT NULL,     -- the job as JSON, byte for byte as it was signed
	words            text NOT NULL GENERATED ALWAYS AS (lower(command || ' ' || target || ' ' || source || ' ' || host)) STORED,
	received_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX job_run ON vmo.job (run_id);
CREATE INDEX job_host ON vmo.job (host, job_id);
CREATE INDEX job_target ON vmo.job (target, job_id);
CREATE INDEX job_received ON vmo.job (received_at);

-- How a job began and ended. The end is inserted when every block is there.
CREATE TABLE vmo.job_event (
	job_id      uuid NOT NULL,
	kind        text NOT NULL CHECK (kind IN ('start', 'end')),
	seq         bigint NOT NULL,
	at          bigint NOT NULL,
	body        bytea NOT NULL,
	state       text CHECK ((state IS NOT NULL) = (kind = 'end')),
	received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (job_id, kind)
);
CREATE INDEX job_event_state ON vmo.job_event (state, job_id) WHERE kind = 'end';
CREATE INDEX job_event_received ON vmo.job_event (received_at);

-- About 64 KiB of a record, compressed by the installation. The partitions are
-- months of job ids, because the time of a row could not be part of its key.
CREATE TABLE vmo.block (
	job_id      uuid NOT NULL,
	number      bigint NOT NULL CHECK (number >= 0),
	first_seq   bigint NOT NULL,
	last_seq    bigint NOT NULL,
	"offset"    bigint NOT NULL,
	bytes       bigint NOT NULL,
	first_line  bigint NOT NULL,
	lines       bigint NOT NULL,
	first_at    bigint NOT NULL,
	last_at     bigint NOT NULL,
	raw_len     bigint NOT NULL,
	digest      bytea NOT NULL CHECK (octet_length(digest) = 32),
	chain       bytea NOT NULL CHECK (octet_length(chain) = 32),
	data        bytea,                   -- zstd; null if it was removed on purpose
	received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (job_id, number)
) PARTITION BY RANGE (job_id);
ALTER TABLE vmo.block ALTER COLUMN data SET STORAGE EXTERNAL;
CREATE INDEX block_received ON vmo.block USING brin (received_at) WITH (pages_per_range = 16, autosummarize = on);
CREATE TABLE vmo.block_default PARTITION OF vmo.block DEFAULT;

-- What was removed from the archive, by whom and why.
CREATE TABLE vmo.removal (
	n        bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	kind     text NOT NULL CHECK (kind IN ('retention', 'spill', 'hand-over')),
	job_id   uuid,
	first    bigint,
	last     bigint,
	blocks   bigint,
	bytes    bigint,                     -- of output
	chain    bytea,                      -- of the last block, so that the record's head can still be computed
	about    text,                       -- hand-over: the installation
	by_whom  text NOT NULL DEFAULT session_user,
	why      text NOT NULL,
	at       timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX removal_job ON vmo.removal (job_id);

-- +goose StatementBegin
DO $$
DECLARE
	t text;
BEGIN
	FOREACH t IN ARRAY ARRAY['schema_version', 'installation', 'ledger', 'job', 'job_event', 'block', 'removal'] LOOP
		EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON vmo.%I FOR EACH ROW EXECUTE FUNCTION vmo.refuse_change()', t);
	END LOOP;
	FOREACH t IN ARRAY ARRAY['schema_version', 'installation', 'presence', 'ledger', 'job', 'job_event', 'block', 'block_default', 'removal'] LOOP
		EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON vmo.%I FOR EACH STATEMENT EXECUTE FUNCTION vmo.refuse_change()', t);
	END LOOP;
	FOREACH t IN ARRAY ARRAY['installation', 'presence', 'ledger', 'job', 'job_event', 'block', 'removal'] LOOP
		EXECUTE format('ALTER TABLE vmo.%I ENABLE ROW LEVEL SECURITY', t);
		EXECUTE format('ALTER TABLE vmo.%I FORCE ROW LEVEL SECURITY', t);
		EXECUTE format('CREATE POLICY everybody_reads ON vmo.%I FOR SELECT USING (true)', t);
		EXECUTE format('CREATE POLICY owner ON vmo.%I TO vmo_owner USING (true) WITH CHECK (true)', t);
	END LOOP;
	FOREACH t IN ARRAY ARRAY['ledger', 'job', 'presence'] LOOP
		EXECUTE format('CREATE POLICY own_installation ON vmo.%I FOR INSERT TO vmo_operator WITH CHECK (EXISTS (
			SELECT FROM vmo.installation i WHERE i.installation_id = %1$I.installation_id AND i.operator = session_user))', t);
	END LOOP;
	FOREACH t IN ARRAY ARRAY['job_event', 'block'] LOOP
		EXECUTE format('CREATE POLICY own_job ON vmo.%I FOR INSERT TO vmo_operator WITH CHECK (EXISTS (
			SELECT FROM vmo.job j JOIN vmo.installation i USING (installation_id)
			WHERE j.job_id = %1$I.job_id AND i.operator = session_user))', t);
	END LOOP;
END $$;
-- +goose StatementEnd
CREATE POLICY own_login ON vmo.installation FOR INSERT TO vmo_operator WITH CHECK (operator = session_user);
CREATE POLICY own_installation_again ON vmo.presence FOR UPDATE TO vmo_operator
	USING (EXISTS (SELECT FROM vmo.installation i WHERE i.installation_id = presence.installation_id AND i.operator = session_user));

-- State is derived and never stored.
CREATE VIEW vmo.job_current AS
	SELECT j.*, coalesce(e.state, CASE WHEN s.job_id IS NULL THEN 'pending' ELSE 'running' END) AS state,
		s.received_at AS started_received_at, e.received_at AS ended_received_at
	FROM vmo.job j
	LEFT JOIN vmo.job_event s ON s.job_id = j.job_id AND s.kind = 'start'
	LEFT JOIN vmo.job_event e ON e.job_id = j.job_id AND e.kind = 'end';
CREATE VIEW vmo.run AS
	SELECT run_id, min(queued_at) AS queued_at, min(claimed_operator) AS claimed_operator, min(command) AS command, count(*) AS jobs,
		count(*) FILTER (WHERE state = 'succeeded') AS succeeded, count(*) FILTER (WHERE state IN ('pending', 'running')) AS alive
	FROM vmo.job_current GROUP BY run_id;

-- Columns that are the server's word, such as received_at and operator, are in no grant.
GRANT SELECT ON vmo.schema_version, vmo.installation, vmo.presence, vmo.ledger, vmo.job, vmo.job_event, vmo.block, vmo.removal,
	vmo.job_current, vmo.run, vmo.migration TO vmo_viewer;
GRANT INSERT (installation_id, laptop) ON vmo.installation TO vmo_operator;
GRANT INSERT (installation_id, laptop), UPDATE (laptop) ON vmo.presence TO vmo_operator;
GRANT INSERT (installation_id, n, kind, job_id, at, body, sig) ON vmo.ledger TO vmo_operator;
GRANT INSERT (job_id, run_id, installation_id, claimed_operator, host, project, target, source, command, tty, queued_at, prelude, begin)
	ON vmo.job TO vmo_operator;
GRANT INSERT (job_id, kind, seq, at, body, state) ON vmo.job_event TO vmo_operator;
GRANT INSERT (job_id, number, first_seq, last_seq, "offset", bytes, first_line, lines, first_at, last_at, raw_len, digest, chain, data)
	ON vmo.block TO vmo_operator;

-- The first id of a moment.
CREATE FUNCTION vmo.id_at(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS $$
	SELECT (lpad(to_hex(greatest(0, floor(extract(epoch FROM at) * 1000))::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- Makes the partitions of the months from a moment up to the next month. A month
-- of which rows are in the default partition already stays there.
-- +goose StatementBegin
CREATE FUNCTION vmo.ensure_partitions(since timestamptz DEFAULT now()) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET lock_timeout = '5s' AS $$
DECLARE
	month timestamptz := date_trunc('month', greatest(least(since, now()), now() - interval '5 years'));
	name text;
BEGIN
	PERFORM pg_advisory_xact_lock(hashtext('vmo.ensure_partitions'));
	WHILE month <= date_trunc('month', now()) + interval '1 month' LOOP
		name := 'block_' || to_char(month, 'YYYY_MM');
		IF to_regclass('vmo.' || name) IS NULL AND NOT EXISTS (SELECT FROM vmo.block_default
				WHERE job_id >= vmo.id_at(month) AND job_id < vmo.id_at(month + interval '1 month')) THEN
			EXECUTE format('CREATE TABLE vmo.%I PARTITION OF vmo.block FOR VALUES FROM (%L) TO (%L)',
				name, vmo.id_at(month), vmo.id_at(month + interval '1 month'));
			EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON vmo.%I FOR EACH STATEMENT EXECUTE FUNCTION vmo.refuse_change()', name);
		END IF;
		month := month + interval '1 month';
	END LOOP;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION vmo.ensure_partitions(timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vmo.ensure_partitions(timestamptz) TO vmo_operator;
SELECT vmo.ensure_partitions();

-- What follows is for the owner alone.

-- Removes the output of jobs that have ended. What they were, how they ended and
-- the ledgers stay; the removal keeps the chain's head. Months of which nothing
-- is left are dropped, which costs nothing; from others rows are deleted.
-- +goose StatementBegin
CREATE FUNCTION vmo.retire(jobs uuid[], reason text) RETURNS bigint
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '10s' AS $$
DECLARE
	ended uuid[] := ARRAY (SELECT DISTINCT e.job_id FROM vmo.job_event e JOIN unnest(jobs) j (job_id) USING (job_id) WHERE e.kind = 'end');
	part record;
	removed bigint;
	others boolean;
BEGIN
	INSERT INTO vmo.removal (kind, job_id, first, last, blocks, bytes, chain, why)
		SELECT 'retention', b.job_id, min(b.number), max(b.number), count(*), sum(b.bytes),
			(array_agg(b.chain ORDER BY b.number DESC))[1], reason
		FROM vmo.block b JOIN unnest(ended) e (job_id) USING (job_id) GROUP BY b.job_id;
	GET DIAGNOSTICS removed = ROW_COUNT;
	PERFORM set_config('vmo.maintenance', 'on', true);
	FOR part IN SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'vmo.block'::regclass ORDER BY 1 LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM vmo.%I b LEFT JOIN unnest($1) e (job_id) USING (job_id) WHERE e.job_id IS NULL)', part.relname)
			INTO others USING ended;
		-- A month in which jobs may still come keeps its partition.
		IF others OR part.relname = 'block_default' OR part.relname >= 'block_' || to_char(now() - interval '1 month', 'YYYY_MM') THEN
			EXECUTE format('DELETE FROM vmo.%I b USING unnest($1) e (job_id) WHERE e.job_id = b.job_id', part.relname) USING ended;
		ELSE
			EXECUTE format('DROP TABLE vmo.%I', part.relname);
		END IF;
	END LOOP;
	PERFORM set_config('vmo.maintenance', 'off', true);
	RETURN removed;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION vmo.retire(uuid[], text) FROM PUBLIC;

-- Empties blocks of a record, such as those with a secret that was printed. Their
-- digests stay, so that the chain still verifies.
-- +goose StatementBegin
CREATE FUNCTION vmo.spill(job uuid, first_number bigint, last_number bigint, reason text) RETURNS bigint
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
	emptied bigint;
BEGIN
	PERFORM set_config('vmo.maintenance', 'on', true);
	UPDATE vmo.block SET data = NULL WHERE job_id = job AND number BETWEEN first_number AND last_number AND data IS NOT NULL;
	GET DIAGNOSTICS emptied = ROW_COUNT;
	PERFORM set_config('vmo.maintenance', 'off', true);
	INSERT INTO vmo.removal (kind, job_id, first, last, blocks, why) VALUES ('spill', job, first_number, last_number, emptied, reason);
	RETURN emptied;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION vmo.spill(uuid, bigint, bigint, text) FROM PUBLIC;

-- Gives an installation to another login, such as when an operator's login was renamed.
-- +goose StatementBegin
CREATE FUNCTION vmo.hand_over(which text, to_login text, reason text) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	PERFORM set_config('vmo.maintenance', 'on', true);
	UPDATE vmo.installation SET operator = to_login WHERE installation_id = which;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no installation %', which USING ERRCODE = 'P0002';
	END IF;
	PERFORM set_config('vmo.maintenance', 'off', true);
	INSERT INTO vmo.removal (kind, about, why) VALUES ('hand-over', which, 'to ' || to_login || ': ' || reason);
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION vmo.hand_over(text, text, text) FROM PUBLIC;
