-- Where a database stands, as one row with one JSON text, in one statement, whatever is there or missing.
--
-- Read by question.py, which puts literals for what stands in capitals. A table that may be missing can't stand in a FROM
-- clause. ts_stat() runs a query that it is given as text, and only when the row that it stands in is reached: so what is
-- known from the catalog decides whether there is anything to read, of which table, and whether this role may. It gives
-- back words (lexemes, below 2 kB each), exactly as they were put in: long texts go through it in numbered pieces. Nothing
-- here needs more than SELECT, makes anything, or takes a lock but that of a reader.
--
-- Where the rows are those of the code, the ledger is not looked at: that part (ledger.sql) stands here as a text for
-- ts_stat(), so that it is not even planned. OFFSET 0 has `notes` found out once for each table. No percent sign and no
-- colon-name may stand in this file: drivers would take them for parameters. 16384 is the first object id that initdb does
-- not use.
WITH PLACE,
word AS MATERIALIZED (
    SELECT w.word, w.ndoc
    FROM place p
    CROSS JOIN LATERAL pg_catalog.ts_stat(
        CASE WHEN p.relkind IN ('r', 'p') AND p.may_read AND NOT p.hides_rows
             THEN 'SELECT pg_catalog.array_to_tsvector(ARRAY[coalesce(''v'' || pg_catalog.left(version_num::text, 400), ''n'')]) FROM '
                  || pg_catalog.quote_ident(p.schema) || '.' || pg_catalog.quote_ident(p.name) || ' LIMIT 1000'
             ELSE 'SELECT NULL::tsvector' END) w
),
noted AS MATERIALIZED (
    SELECT coalesce(array_agg(substr(w.word, 2) ORDER BY w.word COLLATE "C") FILTER (WHERE left(w.word, 1) = 'v'),
                    ARRAY[]::text[]) AS rows,
           coalesce(array_agg(substr(w.word, 2)) FILTER (WHERE left(w.word, 1) = 'v' AND w.ndoc > 1), ARRAY[]::text[]) AS twice,
           coalesce(bool_or(left(w.word, 1) = 'n'), false) AS empty_row
    FROM word w
)MORE_CLAUSES
SELECT (pg_catalog.jsonb_build_object(
    'role', current_user, 'database', current_database(), 'schema', current_schema(),
    'major', current_setting('server_version_num')::integer / 10000,
    'place', (SELECT jsonb_build_array(p.schema, p.name, p.relkind, p.has_column, p.may_read, p.hides_rows) FROM place p),
    'elsewhere', CASE WHEN EXISTS (SELECT FROM place) THEN NULL ELSE
        (SELECT jsonb_agg(n.nspname || '.' || c.relname ORDER BY n.nspname)
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relname = TABLE_NAME AND c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_') END,
    'rows', to_jsonb(noted.rows), 'twice', to_jsonb(noted.twice), 'empty_row', noted.empty_row,
    'pieces', PIECES,
    'deep', DEEP
) || (
    SELECT jsonb_build_object(
        'tables', count(*) FILTER (WHERE NOT t.notes),
        'names', jsonb_agg(t.schema || '.' || t.name) FILTER (WHERE cardinality(noted.rows) = 0 AND NOT t.notes),
        'histories', jsonb_agg(t.schema || '.' || t.name) FILTER (WHERE cardinality(noted.rows) = 0 AND t.notes))
    FROM (
        SELECT n.nspname AS schema, c.relname AS name,
               c.relnatts = 1 AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid
                                          AND a.attnum = 1 AND a.attname = 'version_num') AS notes
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
          AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND SCHEMA_FILTER
          AND NOT (n.nspname = 'stillroom'
                   AND coalesce(left(pg_catalog.obj_description(n.oid, 'pg_namespace'), 16) = 'stillroom ledger', false))
          AND NOT EXISTS (SELECT FROM place p WHERE p.oid = c.oid)
          AND c.oid <> ALL (ARRAY(SELECT d.objid FROM pg_catalog.pg_depend d
                                  WHERE d.refclassid = 'pg_catalog.pg_extension'::regclass
                                    AND d.classid = 'pg_catalog.pg_class'::regclass AND d.deptype = 'e'))
        OFFSET 0) t
))::text AS answer
FROM noted
