-- What the ledger says of this version table: its newest runs and the revisions that it knows, in pieces. See question.sql.
-- How the ledger names the version table.
named AS MATERIALIZED (
    SELECT CASE WHEN x.schema ~ '[."]' THEN '"' || replace(x.schema, '"', '""') || '"' ELSE x.schema END || '.'
           || CASE WHEN x.name ~ '[."]' THEN '"' || replace(x.name, '"', '""') || '"' ELSE x.name END AS key
    FROM (SELECT coalesce((SELECT p.schema FROM place p), SCHEMA_NAME, current_schema()::text, 'public') AS schema,
                 coalesce((SELECT p.name FROM place p), TABLE_NAME) AS name) x
),
-- The CASE: otherwise the planner asks for the rights on each relation of the database before it looks at its schema.
ledger AS MATERIALIZED (
    SELECT CASE WHEN n.oid IS NULL THEN 'missing'
                WHEN coalesce(left(pg_catalog.obj_description(n.oid, 'pg_namespace'), 16), '') <> 'stillroom ledger' THEN 'foreign'
                WHEN NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE') THEN 'unreadable'
                WHEN (SELECT count(*)
                      FROM (VALUES ('run'::name, 'id'::name, 'bigint'), ('run', 'service', 'text'), ('run', 'version_table', 'text'),
                                   ('run', 'started', 'timestamptz'), ('run', 'outcome', 'text'), ('run', 'fatal', 'boolean'),
                                   ('run', 'last_attempt', 'boolean'), ('run', 'error', 'text'), ('run', 'target', 'text[]'),
                                   ('revision', 'id', 'bigint'), ('revision', 'version_table', 'text'),
                                   ('revision', 'revision', 'text'), ('revision', 'kind', 'text'),
                                   ('revision', 'reason', 'text'), ('revision', 'parents', 'text[]'),
                                   ('fingerprint', 'id', 'bigint'), ('fingerprint', 'version_table', 'text'),
                                   ('fingerprint', 'revisions', 'text[]'), ('fingerprint', 'server_major', 'integer'),
                                   ('fingerprint', 'digest', 'text'), ('fingerprint', 'items', 'jsonb'),
                                   ('fingerprint', 'schemas', 'text[]'), ('fingerprint', 'tables', 'text[]')
                           ) AS e (relation, attribute, type)
                      JOIN pg_catalog.pg_class c ON c.relname = e.relation AND c.relnamespace = n.oid AND c.relkind = 'r'
                      JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = e.attribute
                                                    AND NOT a.attisdropped AND a.atttypid = e.type::regtype
                      WHERE CASE WHEN c.relnamespace = n.oid THEN pg_catalog.has_table_privilege(c.oid, 'SELECT')
                                                                  AND NOT pg_catalog.row_security_active(c.oid) END) < 23
                     THEN 'unreadable'
                ELSE 'readable' END AS state
    FROM (VALUES ((SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'stillroom'))) AS n (oid)
),
piece AS MATERIALIZED (
    SELECT w.word
    FROM named
    CROSS JOIN LATERAL pg_catalog.ts_stat(
        CASE WHEN (SELECT l.state FROM ledger l) = 'readable' THEN
            'SELECT pg_catalog.array_to_tsvector(ARRAY[x.what || pg_catalog.lpad(g::text, 3, ''0'') || pg_catalog.substr(x.told, g * 400 + 1, 400)])
             FROM ((SELECT ''h'' AS what, jsonb_build_array(id, service, outcome, fatal, last_attempt, left(error, 4000), started, target)::text AS told
                    FROM stillroom.run WHERE version_table = ' || quote_literal(named.key)
            || ' AND target = ' || quote_literal(HEADS::text) || '::text[] ORDER BY id DESC LIMIT 1)
                   UNION ALL
                   (SELECT ''a'', jsonb_build_array(id, service, outcome, fatal, last_attempt, left(error, 4000), started, target)::text
                    FROM stillroom.run WHERE version_table = ' || quote_literal(named.key) || ' ORDER BY id DESC LIMIT 1)
                   UNION ALL
                   (SELECT ''r'' || lpad(row_number() OVER (ORDER BY id DESC)::text, 4, ''0''),
                           jsonb_build_array(revision, kind, left(reason, 200), parents)::text
                    FROM stillroom.revision WHERE version_table = ' || quote_literal(named.key) || ' ORDER BY id DESC LIMIT 2000)
                  ) x, generate_series(0, least(pg_catalog.length(x.told) / 400, 99)) g'
        ELSE 'SELECT NULL::tsvector' END) w
),
-- The advisory locks of this database: a migrator that lives holds one. A standby knows none.
held AS MATERIALIZED (
    SELECT ((l.classid::bigint << 32) | l.objid::bigint)::text AS number
    FROM pg_catalog.pg_locks l
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
      AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
    LIMIT 1000
),
lock AS MATERIALIZED (
    SELECT 'k' || h.number AS word FROM held h
    UNION ALL
    SELECT 'kall' WHERE NOT pg_catalog.pg_is_in_recovery() AND (SELECT count(*) FROM held) < 1000
)
