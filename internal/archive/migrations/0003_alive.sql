-- +goose Up

-- The jobs without an end: few, and asked for all the time, while to find them among
-- a hundred thousand takes a look at all. It is an index and no record: it follows
-- from what is in job and job_event. Programs that know the first version go on as
-- before, since triggers keep it.
CREATE TABLE vmo.alive (job_id uuid PRIMARY KEY);

-- +goose StatementBegin
CREATE FUNCTION vmo.job_begins() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	INSERT INTO vmo.alive SELECT job_id FROM added ON CONFLICT DO NOTHING;
	RETURN NULL;
END $$;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE FUNCTION vmo.job_ends() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
	DELETE FROM vmo.alive a USING added e WHERE e.kind = 'end' AND a.job_id = e.job_id;
	RETURN NULL;
END $$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION vmo.job_begins(), vmo.job_ends() FROM PUBLIC;

ALTER TABLE vmo.alive ENABLE ROW LEVEL SECURITY;
ALTER TABLE vmo.alive FORCE ROW LEVEL SECURITY;
CREATE POLICY everybody_reads ON vmo.alive FOR SELECT USING (true);
CREATE POLICY owner ON vmo.alive TO vmo_owner USING (true) WITH CHECK (true);
GRANT SELECT ON vmo.alive TO vmo_viewer;

-- From here on nobody else inserts jobs or ends before this is committed.
CREATE TRIGGER alive AFTER INSERT ON vmo.job REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION vmo.job_begins();
CREATE TRIGGER alive AFTER INSERT ON vmo.job_event REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION vmo.job_ends();
INSERT INTO vmo.alive SELECT job_id FROM vmo.job j
	WHERE NOT EXISTS (SELECT FROM vmo.job_event e WHERE e.job_id = j.job_id AND e.kind = 'end');
INSERT INTO vmo.schema_version (version, oldest) VALUES (3, 1);
