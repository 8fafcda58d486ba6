-- The structure that is there now, and the one that the last run recorded for these rows. See question.sql; the clauses of
-- ledger/fingerprint.sql stand in the middle.
-- What the last run that left these rows recorded, for this major version of the server; which others are recorded.
recorded_piece AS MATERIALIZED (
    SELECT w.word
    FROM noted, named
    CROSS JOIN LATERAL pg_catalog.ts_stat(
        CASE WHEN (SELECT l.state FROM ledger l) = 'readable' THEN
            'SELECT pg_catalog.array_to_tsvector(ARRAY[''f'' || pg_catalog.lpad(g::text, 5, ''0'') || pg_catalog.substr(x.told, g * 400 + 1, 400)])
             FROM (SELECT jsonb_build_object(''digest'', digest, ''schemas'', schemas, ''tables'', tables, ''id'', id)::text AS told
                   FROM stillroom.fingerprint WHERE version_table = ' || quote_literal(named.key)
            || ' AND revisions = ' || quote_literal(noted.rows::text) || '::text[] AND server_major = '
            || (current_setting('server_version_num')::integer / 10000)::text || ' ORDER BY id DESC LIMIT 1) x,
                  generate_series(0, pg_catalog.length(x.told) / 400) g
             UNION ALL
             SELECT pg_catalog.array_to_tsvector(ARRAY[''m'' || server_major::text]) FROM stillroom.fingerprint
             WHERE version_table = ' || quote_literal(named.key) || ' AND revisions = ' || quote_literal(noted.rows::text) || '::text[]'
        ELSE 'SELECT NULL::tsvector' END) w
),
recorded AS MATERIALIZED (
    SELECT x.told ->> 'digest' AS digest, (x.told ->> 'id')::bigint AS id,
           CASE WHEN jsonb_typeof(x.told -> 'schemas') = 'array'
                THEN ARRAY(SELECT jsonb_array_elements_text(x.told -> 'schemas')) END AS schemas,
           CASE WHEN jsonb_typeof(x.told -> 'tables') = 'array'
                THEN ARRAY(SELECT jsonb_array_elements_text(x.told -> 'tables')) END AS tables
    FROM (SELECT string_agg(substr(p.word, 7), '' ORDER BY p.word COLLATE "C")::jsonb AS told
          FROM recorded_piece p WHERE left(p.word, 1) = 'f') x
    WHERE x.told IS NOT NULL
),
FINGERPRINT,
recorded_item AS MATERIALIZED (
    SELECT string_agg(substr(w.word, 7), '' ORDER BY w.word COLLATE "C") AS told
    FROM recorded r
    CROSS JOIN LATERAL pg_catalog.ts_stat(
        'SELECT pg_catalog.array_to_tsvector(ARRAY[''i'' || pg_catalog.lpad(g::text, 5, ''0'') || pg_catalog.substr(x.told, g * 400 + 1, 400)])
         FROM (SELECT items::text AS told FROM stillroom.fingerprint WHERE id = ' || r.id::text || ') x,
              generate_series(0, pg_catalog.length(x.told) / 400) g') w
)
