-- The structure of one database, as rows (kind, name, definition, schema, relation), in one statement.
--
-- Read by catalog.py, which drops the lines that do not fit the server. A line ending in "--@ 14" is kept from
-- version 14 on, a line ending in "--@ <14" before it. No percent sign and no colon-name may stand in this file:
-- drivers would take them for parameters.
--
-- The text that pg_get_*def and format_type give depends on settings of the session. The first branch of the union
-- sets them for this transaction, the last branch sets them back: branches run in the order in which they stand
-- (set_config is parallel-unsafe, so nothing runs beside them), and common table expressions run when first read.
--
-- LIMIT stands there for its price: a limit that is not a constant counts as a tenth of the rows, which keeps the
-- estimate below jit_above_cost. Compiling this statement takes a second; running it takes some milliseconds.
WITH setting AS MATERIALIZED (
    SELECT wanted.name, wanted.value, current_setting(wanted.name) AS was
    FROM (VALUES ('search_path', 'pg_catalog, pg_temp'), ('timezone', 'UTC'), ('datestyle', 'ISO, MDY'),
                 ('intervalstyle', 'postgres'), ('extra_float_digits', '1'), ('bytea_output', 'hex'),
                 ('quote_all_identifiers', 'off')) AS wanted (name, value)
    WHERE current_setting(wanted.name) <> wanted.value
),
member AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
),
ns AS MATERIALIZED (
    SELECT n.oid, quote_ident(n.nspname) AS name, n.nspowner AS owner, n.nspacl AS acl
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_namespace'::regclass AND m.objid = n.oid)
),
-- Sequences that belong to a column: 'a' (serial, OWNED BY), 'i' (identity).
owned AS MATERIALIZED (
    SELECT d.objid AS oid, d.refobjid AS relid, d.refobjsubid AS attnum, d.deptype AS how
    FROM pg_depend d
    JOIN pg_sequence s ON s.seqrelid = d.objid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
),
rel AS MATERIALIZED (
    SELECT c.oid, c.relkind AS relkind, ns.name AS schema, ns.name || '.' || quote_ident(c.relname) AS name,
           c.relowner AS owner, c.relacl AS acl, c.relpersistence AS persistence, c.relispartition AS is_partition,
           c.relrowsecurity AS secured, c.relforcerowsecurity AS forced, c.relreplident AS replica_identity,
           c.reloptions AS options, c.relam AS am, c.relpartbound AS bound, c.relhassubclass AS has_children,
           c.reltablespace AS tablespace,
           CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                          WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'c' THEN 'TYPE' WHEN 'i' THEN 'INDEX'
                          WHEN 'I' THEN 'INDEX' ELSE 'TABLE' END AS word
    FROM pg_class c
    JOIN ns ON ns.oid = c.relnamespace
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c', 'i', 'I') AND c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
),
seq AS MATERIALIZED (
    SELECT s.seqrelid AS oid,
           CASE WHEN s.seqtypid <> 'bigint'::regtype THEN ' AS ' || format_type(s.seqtypid, NULL) ELSE '' END AS type,
           CASE WHEN s.seqincrement <> 1 THEN ' INCREMENT BY ' || s.seqincrement ELSE '' END
           || CASE WHEN s.seqmin <> d.low THEN ' MINVALUE ' || s.seqmin ELSE '' END
           || CASE WHEN s.seqmax <> d.high THEN ' MAXVALUE ' || s.seqmax ELSE '' END
           || CASE WHEN s.seqstart <> CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END
                   THEN ' START WITH ' || s.seqstart ELSE '' END
           || CASE WHEN s.seqcache <> 1 THEN ' CACHE ' || s.seqcache ELSE '' END
           || CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END AS options
    FROM pg_sequence s
    CROSS JOIN LATERAL (
        SELECT CASE s.seqtypid WHEN 'smallint'::regtype THEN 32767 WHEN 'integer'::regtype THEN 2147483647
                               ELSE 9223372036854775807 END AS top
    ) t
    CROSS JOIN LATERAL (
        SELECT CASE WHEN s.seqincrement > 0 THEN 1 ELSE -t.top - 1 END AS low,
               CASE WHEN s.seqincrement > 0 THEN t.top ELSE -1 END AS high
    ) d
),
proc AS MATERIALIZED (
    SELECT p.oid, p.prokind AS prokind, ns.name AS schema, p.oid::regprocedure::text AS name, p.proowner AS owner,
           p.proacl AS acl,
           CASE p.prokind WHEN 'p' THEN 'PROCEDURE' WHEN 'a' THEN 'AGGREGATE' ELSE 'FUNCTION' END AS word
    FROM pg_proc p
    JOIN ns ON ns.oid = p.pronamespace
    WHERE p.oid >= 16384
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
),
-- Types of their own: no row types of tables, no arrays, no multiranges that came with their range.
typ AS MATERIALIZED (
    SELECT t.oid, t.typtype AS typtype, ns.name AS schema, ns.name || '.' || quote_ident(t.typname) AS name,
           t.typowner AS owner, t.typacl AS acl, t.typrelid, t.typbasetype, t.typtypmod, t.typcollation, t.typnotnull,
           t.typdefaultbin, CASE t.typtype WHEN 'd' THEN 'DOMAIN' ELSE 'TYPE' END AS word
    FROM pg_type t
    JOIN ns ON ns.oid = t.typnamespace
    LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE t.oid >= 16384 AND t.typtype IN ('e', 'd', 'c', 'r', 'b') AND (t.typtype <> 'c' OR c.relkind = 'c')
      AND NOT (t.typtype = 'b' AND t.typelem <> 0 AND t.typlen = -1 AND t.typname ~ '^_')
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
),
coll AS MATERIALIZED (
    SELECT c.oid, ns.name || '.' || quote_ident(c.collname) AS name, ns.name AS schema,
           c.collowner AS owner, c.collprovider, c.collisdeterministic, c.collcollate, c.collctype,
           NULL AS locale --@ <15
           c.colliculocale AS locale --@ 15-16
           c.colllocale AS locale --@ 17
    FROM pg_collation c
    JOIN ns ON ns.oid = c.collnamespace
    WHERE c.oid >= 16384
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_collation'::regclass AND m.objid = c.oid)
),
-- What can be owned by a role and named in ALTER … OWNER TO, and its rights: default_kind is acldefault's letter.
object AS MATERIALIZED (
    SELECT r.word AS word, r.name AS name, r.schema AS schema, coalesce(o.name, r.name) AS relation, r.owner AS owner,
           r.acl AS acl, CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS default_kind,
           s.oid IS NULL AS has_owner
    FROM rel r
    LEFT JOIN owned s ON s.oid = r.oid
    LEFT JOIN rel o ON o.oid = s.relid
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
    UNION ALL SELECT word, name, schema, '', owner, acl, 'f', true FROM proc
    UNION ALL SELECT word, name, schema, '', owner, acl, 'T', true FROM typ
    UNION ALL SELECT 'SCHEMA', name, name, '', owner, acl, 'n', true FROM ns
    UNION ALL
    SELECT 'DATABASE', 'current_database', '', '', datdba, datacl, 'd', true
    FROM pg_database WHERE datname = current_database()
    UNION ALL
    SELECT 'FOREIGN SERVER', quote_ident(s.srvname), '', '', s.srvowner, s.srvacl, 'S', true
    FROM pg_foreign_server s
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_foreign_server'::regclass AND m.objid = s.oid)
    UNION ALL SELECT 'COLLATION', name, schema, '', owner, NULL, NULL, true FROM coll
    UNION ALL SELECT 'PUBLICATION', quote_ident(pubname), '', '', pubowner, NULL, NULL, true FROM pg_publication
    UNION ALL
    SELECT 'STATISTICS', ns.name || '.' || quote_ident(s.stxname), ns.name, r.name, s.stxowner, NULL, NULL, true
    FROM pg_statistic_ext s JOIN ns ON ns.oid = s.stxnamespace JOIN rel r ON r.oid = s.stxrelid
    UNION ALL
    SELECT 'EVENT TRIGGER', quote_ident(e.evtname), '', '', e.evtowner, NULL, NULL, true
    FROM pg_event_trigger e
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)
),
granted AS (
    SELECT lower(o.word) || ' ' || o.name AS name, o.schema, o.relation, o.acl,
           acldefault(o.default_kind, o.owner) AS implied, '' AS suffix,
           CASE o.word WHEN 'VIEW' THEN 'TABLE' WHEN 'MATERIALIZED VIEW' THEN 'TABLE' WHEN 'FOREIGN TABLE' THEN 'TABLE'
                       WHEN 'AGGREGATE' THEN 'FUNCTION' ELSE o.word END || ' ' || o.name AS target
    FROM object o
    WHERE o.acl IS NOT NULL
    UNION ALL
    SELECT 'column ' || r.name || '.' || quote_ident(a.attname), r.schema, r.name, a.attacl, '{}'::aclitem[],
           ' (' || quote_ident(a.attname) || ')', 'TABLE ' || r.name
    FROM pg_attribute a JOIN rel r ON r.oid = a.attrelid
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
),
standing AS (
    SELECT name, schema, relation, acl, implied, suffix, ' ON ' || target AS target, '' AS prefix, 'acl' AS kind
    FROM granted
    UNION ALL
    SELECT d.thing || ' of ' || d.role || coalesce(' in schema ' || ns.name, ''), coalesce(ns.name, ''), '', d.acl,
           CASE WHEN ns.oid IS NULL THEN acldefault(d.letter, d.owner) ELSE '{}' END, '', ' ON ' || upper(d.thing),
           'ALTER DEFAULT PRIVILEGES FOR ROLE ' || d.role || coalesce(' IN SCHEMA ' || ns.name, '') || ' ',
           'default_acl'
    FROM (SELECT defaclrole AS owner, defaclnamespace AS nsid, defaclacl AS acl,
                 quote_ident(pg_get_userbyid(defaclrole)) AS role,
                 CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END AS letter,
                 CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                    WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END AS thing
          FROM pg_default_acl) d
    LEFT JOIN ns ON ns.oid = d.nsid
    WHERE d.nsid = 0 OR ns.oid IS NOT NULL
),
-- What a role has beyond what every new object of the kind gives it, and what was taken from that.
right_of AS (
    SELECT s.kind, s.name, s.schema, s.relation, s.prefix, s.target, g.direction, g.grantable,
           CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END AS role,
           string_agg(g.privilege || s.suffix, ', ' ORDER BY g.privilege) AS privileges
    FROM standing s
    CROSS JOIN LATERAL (
        (SELECT 'to' AS direction, a.grantee, a.privilege_type AS privilege, a.is_grantable AS grantable
         FROM aclexplode(s.acl) a
         EXCEPT SELECT 'to', a.grantee, a.privilege_type, a.is_grantable FROM aclexplode(s.implied) a)
        UNION ALL
        (SELECT 'from', a.grantee, a.privilege_type, false FROM aclexplode(s.implied) a
         EXCEPT SELECT 'from', a.grantee, a.privilege_type, false FROM aclexplode(s.acl) a)
    ) g
    GROUP BY s.kind, s.name, s.schema, s.relation, s.prefix, s.target, g.direction, g.grantable, g.grantee
)

SELECT kind, name, definition, schema, relation FROM (
SELECT '' AS kind, '' AS name, '' AS definition, '' AS schema, '' AS relation
FROM setting WHERE set_config(setting.name, setting.value, true) IS NULL

UNION ALL
SELECT 'schema', name, 'CREATE SCHEMA ' || name, name, '' FROM ns

UNION ALL
SELECT 'extension', quote_ident(e.extname),
       'CREATE EXTENSION ' || quote_ident(e.extname) || ' WITH SCHEMA ' || quote_ident(n.nspname)
       || ' VERSION ' || quote_literal(e.extversion), '', ''
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace

UNION ALL
SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, t.name,
       CASE t.typtype
       WHEN 'e' THEN 'CREATE TYPE ' || t.name || ' AS ENUM ('
            || coalesce((SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                         FROM pg_enum e WHERE e.enumtypid = t.oid), '') || ')'
       WHEN 'c' THEN 'CREATE TYPE ' || t.name || ' AS ('
            || coalesce((SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                                || CASE WHEN a.attcollation <> b.typcollation THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END,
                                ', ' ORDER BY a.attnum)
                         FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid
                         WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')'
       WHEN 'r' THEN 'CREATE TYPE ' || t.name || ' AS RANGE ('
            || (SELECT 'SUBTYPE = ' || format_type(r.rngsubtype, NULL)
                       || CASE WHEN NOT o.opcdefault THEN ', SUBTYPE_OPCLASS = ' || quote_ident(n.nspname) || '.'
                                    || quote_ident(o.opcname) ELSE '' END
                       || CASE WHEN r.rngcollation <> b.typcollation
                               THEN ', COLLATION = ' || r.rngcollation::regcollation::text ELSE '' END
                       || CASE WHEN r.rngcanonical::oid <> 0 THEN ', CANONICAL = ' || r.rngcanonical::text ELSE '' END
                       || CASE WHEN r.rngsubdiff::oid <> 0 THEN ', SUBTYPE_DIFF = ' || r.rngsubdiff::text ELSE '' END
                FROM pg_range r JOIN pg_opclass o ON o.oid = r.rngsubopc JOIN pg_namespace n ON n.oid = o.opcnamespace
                JOIN pg_type b ON b.oid = r.rngsubtype
                WHERE r.rngtypid = t.oid) || ')'
       WHEN 'd' THEN 'CREATE DOMAIN ' || t.name || ' AS ' || format_type(t.typbasetype, t.typtypmod)
            || CASE WHEN t.typcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = t.typbasetype)
                    THEN ' COLLATE ' || t.typcollation::regcollation::text ELSE '' END
            || coalesce(' DEFAULT ' || pg_get_expr(t.typdefaultbin, 0), '')
            || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
       ELSE 'base type' END, t.schema, ''
FROM typ t

UNION ALL
SELECT 'domain_constraint', t.name || '.' || quote_ident(c.conname),
       'ALTER DOMAIN ' || t.name || ' ADD CONSTRAINT ' || quote_ident(c.conname) || ' ' || pg_get_constraintdef(c.oid),
       t.schema, ''
FROM pg_constraint c JOIN typ t ON t.oid = c.contypid
WHERE c.oid >= 16384 AND c.contype = 'c'

UNION ALL
SELECT 'collation', c.name,
       'CREATE COLLATION ' || c.name || ' (PROVIDER = '
       || CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END
       || CASE WHEN c.locale IS NOT NULL THEN ', LOCALE = ' || quote_literal(c.locale)
               ELSE ', LC_COLLATE = ' || quote_literal(c.collcollate) || ', LC_CTYPE = ' || quote_literal(c.collctype) END
       || CASE WHEN c.collisdeterministic THEN '' ELSE ', DETERMINISTIC = false' END || ')', c.schema, ''
FROM coll c

UNION ALL
SELECT 'sequence', r.name, 'CREATE SEQUENCE ' || r.name || s.type || s.options, r.schema, coalesce(o.name, '')
FROM rel r
JOIN seq s ON s.oid = r.oid
LEFT JOIN owned w ON w.oid = r.oid
LEFT JOIN rel o ON o.oid = w.relid
WHERE w.how IS DISTINCT FROM 'i'

UNION ALL
SELECT 'owned_by', r.name, 'ALTER SEQUENCE ' || r.name || ' OWNED BY ' || o.name || '.' || quote_ident(a.attname),
       r.schema, o.name
FROM rel r
JOIN owned w ON w.oid = r.oid AND w.how = 'a'
JOIN rel o ON o.oid = w.relid
JOIN pg_attribute a ON a.attrelid = w.relid AND a.attnum = w.attnum

UNION ALL
SELECT 'table', r.name,
       'CREATE ' || CASE r.persistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END || 'TABLE ' || r.name || ' ()'
       || CASE WHEN r.is_partition THEN '' ELSE coalesce(' INHERITS ('
               || (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
                   FROM pg_inherits i WHERE i.inhrelid = r.oid) || ')', '') END
       || CASE WHEN r.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(r.oid) ELSE '' END
       || CASE WHEN a.amname <> 'heap' THEN ' USING ' || quote_ident(a.amname) ELSE '' END, r.schema, r.name
FROM rel r
LEFT JOIN pg_am a ON a.oid = r.am
WHERE r.relkind IN ('r', 'p')

UNION ALL
SELECT 'partition', r.name,
       'PARTITION OF ' || i.inhparent::regclass::text || ' ' || pg_get_expr(r.bound, r.oid), r.schema, r.name
FROM rel r
JOIN pg_inherits i ON i.inhrelid = r.oid
WHERE r.is_partition AND r.relkind IN ('r', 'p', 'f')

UNION ALL
SELECT 'foreign_table', r.name, 'CREATE FOREIGN TABLE ' || r.name || ' () SERVER ' || quote_ident(s.srvname)
       || coalesce(' OPTIONS (' || (SELECT string_agg(quote_ident(x.option_name) || ' ' || quote_literal(x.option_value),
                                                      ', ' ORDER BY x.option_name)
                                    FROM pg_options_to_table(f.ftoptions) x) || ')', ''), r.schema, r.name
FROM rel r JOIN pg_foreign_table f ON f.ftrelid = r.oid JOIN pg_foreign_server s ON s.oid = f.ftserver

UNION ALL
SELECT 'column', r.name || '.' || quote_ident(a.attname),
       format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attcollation <> t.typcollation THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END
       || CASE a.attgenerated WHEN 's' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
                              WHEN 'v' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ')'
                              ELSE coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '') END
       || CASE a.attidentity WHEN '' THEN '' ELSE
               CASE a.attidentity WHEN 'a' THEN ' GENERATED ALWAYS AS IDENTITY' ELSE ' GENERATED BY DEFAULT AS IDENTITY' END
               || coalesce((SELECT ' (' || ltrim(s.options) || ')' FROM owned w JOIN seq s ON s.oid = w.oid
                            WHERE w.relid = a.attrelid AND w.attnum = a.attnum AND w.how = 'i' AND s.options <> ''), '')
          END
       || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END, r.schema, r.name
FROM rel r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f')

UNION ALL
SELECT 'option', r.name || '.' || quote_ident(a.attname) || ' ' || x.what,
       'ALTER TABLE ' || r.name || ' ALTER COLUMN ' || quote_ident(a.attname) || x.change, r.schema, r.name
FROM rel r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
CROSS JOIN LATERAL (
    SELECT 'storage' AS what, ' SET STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                                                   WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END AS change
    WHERE a.attstorage <> t.typstorage
    UNION ALL --@ 14
    SELECT 'compression', ' SET COMPRESSION ' || CASE a.attcompression WHEN 'l' THEN 'lz4' ELSE 'pglz' END --@ 14
    WHERE a.attcompression <> '' --@ 14
    UNION ALL
    SELECT 'statistics', ' SET STATISTICS ' || a.attstattarget WHERE a.attstattarget >= 0
    UNION ALL
    SELECT 'options', ' SET (' || array_to_string(a.attoptions, ', ') || ')' WHERE a.attoptions IS NOT NULL
) x
WHERE r.relkind IN ('r', 'p', 'f', 'm')

UNION ALL
SELECT 'option', r.name || ' ' || split_part(x.setting, '=', 1),
       'ALTER ' || r.word || ' ' || r.name || ' SET (' || split_part(x.setting, '=', 1) || ' = '
       || quote_literal(substr(x.setting, strpos(x.setting, '=') + 1)) || ')', r.schema, r.name
FROM rel r CROSS JOIN LATERAL unnest(r.options) AS x (setting)
WHERE r.relkind IN ('r', 'p', 'v', 'm')

UNION ALL
SELECT 'row_security', r.name || x.suffix, 'ALTER TABLE ' || r.name || x.change || ' ROW LEVEL SECURITY', r.schema, r.name
FROM rel r
JOIN (VALUES ('', ' ENABLE'), (' force', ' FORCE')) AS x (suffix, change)
  ON CASE x.suffix WHEN '' THEN r.secured ELSE r.forced END
WHERE r.relkind IN ('r', 'p')

UNION ALL
SELECT 'replica_identity', r.name,
       'ALTER TABLE ' || r.name || ' REPLICA IDENTITY '
       || CASE r.replica_identity WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
          ELSE 'USING INDEX ' || coalesce((SELECT quote_ident(c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                                           WHERE i.indrelid = r.oid AND i.indisreplident), '""') END, r.schema, r.name
FROM rel r
WHERE r.relkind IN ('r', 'p') AND r.replica_identity <> 'd'

UNION ALL
SELECT 'constraint', r.name || '.' || quote_ident(c.conname), pg_get_constraintdef(c.oid), r.schema, r.name
FROM pg_constraint c
JOIN rel r ON r.oid = c.conrelid
WHERE c.oid >= 16384 AND c.contype IN ('c', 'f', 'p', 'u', 'x') AND c.conparentid = 0 AND c.conislocal

UNION ALL
SELECT 'index', i.name, pg_get_indexdef(i.oid) || CASE WHEN x.indisvalid THEN '' ELSE ' /* INVALID */' END, i.schema, r.name
FROM rel i
JOIN pg_index x ON x.indexrelid = i.oid
JOIN rel r ON r.oid = x.indrelid
WHERE i.relkind IN ('i', 'I') AND NOT i.is_partition
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid AND c.conrelid = r.oid AND c.contype IN ('p', 'u', 'x'))

UNION ALL
SELECT 'option', r.name || ' cluster', 'ALTER TABLE ' || r.name || ' CLUSTER ON ' || quote_ident(c.relname), r.schema, r.name
FROM pg_index x JOIN rel r ON r.oid = x.indrelid JOIN pg_class c ON c.oid = x.indexrelid
WHERE x.indisclustered

UNION ALL
SELECT CASE r.relkind WHEN 'v' THEN 'view' ELSE 'materialized_view' END, r.name,
       'CREATE ' || r.word || ' ' || r.name || E' AS\n' || rtrim(pg_get_viewdef(r.oid), ';'), r.schema, r.name
FROM rel r
WHERE r.relkind IN ('v', 'm')

UNION ALL
SELECT lower(p.word), p.name, rtrim(pg_get_functiondef(p.oid), E'\n'), p.schema, ''
FROM proc p
WHERE p.prokind <> 'a'

UNION ALL
SELECT 'aggregate', p.name,
       'CREATE AGGREGATE ' || quote_ident(n.nspname) || '.' || quote_ident(q.proname) || '('
       || coalesce(nullif(pg_get_function_arguments(p.oid), ''), '*') || ') (SFUNC = ' || a.aggtransfn::regproc::text
       || ', STYPE = ' || format_type(a.aggtranstype, NULL)
       || CASE WHEN a.aggtransspace <> 0 THEN ', SSPACE = ' || a.aggtransspace ELSE '' END
       || CASE WHEN a.aggfinalfn::oid <> 0 THEN ', FINALFUNC = ' || a.aggfinalfn::regproc::text ELSE '' END
       || CASE WHEN a.aggfinalextra THEN ', FINALFUNC_EXTRA' ELSE '' END
       || CASE WHEN a.aggcombinefn::oid <> 0 THEN ', COMBINEFUNC = ' || a.aggcombinefn::regproc::text ELSE '' END
       || CASE WHEN a.aggserialfn::oid <> 0 THEN ', SERIALFUNC = ' || a.aggserialfn::regproc::text ELSE '' END
       || CASE WHEN a.aggdeserialfn::oid <> 0 THEN ', DESERIALFUNC = ' || a.aggdeserialfn::regproc::text ELSE '' END
       || coalesce(', INITCOND = ' || quote_literal(a.agginitval), '')
       || CASE WHEN a.aggmtransfn::oid <> 0 THEN ', MSFUNC = ' || a.aggmtransfn::regproc::text
               || ', MINVFUNC = ' || a.aggminvtransfn::regproc::text || ', MSTYPE = ' || format_type(a.aggmtranstype, NULL)
               || CASE WHEN a.aggmfinalfn::oid <> 0 THEN ', MFINALFUNC = ' || a.aggmfinalfn::regproc::text ELSE '' END
               || coalesce(', MINITCOND = ' || quote_literal(a.aggminitval), '') ELSE '' END
       || CASE q.proparallel WHEN 's' THEN ', PARALLEL = SAFE' WHEN 'r' THEN ', PARALLEL = RESTRICTED' ELSE '' END
       || CASE a.aggkind WHEN 'h' THEN ', HYPOTHETICAL' ELSE '' END || ')', p.schema, ''
FROM proc p
JOIN pg_proc q ON q.oid = p.oid
JOIN pg_namespace n ON n.oid = q.pronamespace
JOIN pg_aggregate a ON a.aggfnoid = p.oid

UNION ALL
SELECT 'trigger', r.name || '.' || quote_ident(t.tgname), pg_get_triggerdef(t.oid), r.schema, r.name
FROM pg_trigger t JOIN rel r ON r.oid = t.tgrelid
WHERE NOT t.tgisinternal AND t.tgparentid = 0

UNION ALL
SELECT 'option', r.name || '.' || quote_ident(t.tgname) || ' trigger',
       'ALTER TABLE ' || r.name || CASE t.tgenabled WHEN 'D' THEN ' DISABLE' WHEN 'R' THEN ' ENABLE REPLICA'
                                                    ELSE ' ENABLE ALWAYS' END
       || ' TRIGGER ' || quote_ident(t.tgname), r.schema, r.name
FROM pg_trigger t JOIN rel r ON r.oid = t.tgrelid
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled <> 'O'

UNION ALL
SELECT 'event_trigger', quote_ident(e.evtname),
       'CREATE EVENT TRIGGER ' || quote_ident(e.evtname) || ' ON ' || e.evtevent
       || coalesce(' WHEN TAG IN (' || (SELECT string_agg(quote_literal(tag), ', ' ORDER BY tag)
                                        FROM unnest(e.evttags) tag) || ')', '')
       || ' EXECUTE FUNCTION ' || e.evtfoid::regproc::text || '()'
       || CASE e.evtenabled WHEN 'O' THEN '' ELSE ' /* ' || e.evtenabled::text || ' */' END, '', ''
FROM pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)

UNION ALL
SELECT 'policy', r.name || '.' || quote_ident(p.polname),
       'CREATE POLICY ' || quote_ident(p.polname) || ' ON ' || r.name
       || CASE WHEN p.polpermissive THEN '' ELSE ' AS RESTRICTIVE' END
       || CASE p.polcmd WHEN 'r' THEN ' FOR SELECT' WHEN 'a' THEN ' FOR INSERT' WHEN 'w' THEN ' FOR UPDATE'
                        WHEN 'd' THEN ' FOR DELETE' ELSE '' END
       || ' TO ' || (SELECT string_agg(CASE o.role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(o.role)) END, ', '
                                       ORDER BY pg_get_userbyid(o.role) COLLATE "C") FROM unnest(p.polroles) AS o (role))
       || coalesce(' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')', '')
       || coalesce(' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')', ''), r.schema, r.name
FROM pg_policy p JOIN rel r ON r.oid = p.polrelid

UNION ALL
SELECT 'rule', r.name || '.' || quote_ident(w.rulename), rtrim(pg_get_ruledef(w.oid), ';'), r.schema, r.name
FROM pg_rewrite w JOIN rel r ON r.oid = w.ev_class
WHERE w.rulename <> '_RETURN'

UNION ALL
SELECT 'statistics', ns.name || '.' || quote_ident(s.stxname), pg_get_statisticsobjdef(s.oid), ns.name, r.name
FROM pg_statistic_ext s JOIN ns ON ns.oid = s.stxnamespace JOIN rel r ON r.oid = s.stxrelid

UNION ALL
SELECT 'publication', quote_ident(p.pubname),
       'CREATE PUBLICATION ' || quote_ident(p.pubname) || CASE WHEN p.puballtables THEN ' FOR ALL TABLES' ELSE '' END
       || ' WITH (publish = ' || quote_literal(concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END,
              CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
              CASE WHEN p.pubtruncate THEN 'truncate' END))
       || CASE WHEN p.pubviaroot THEN ', publish_via_partition_root = true' ELSE '' END
       || CASE WHEN p.pubgencols = 's' THEN ', publish_generated_columns = stored' ELSE '' END --@ 18
       || ')', '', ''
FROM pg_publication p

UNION ALL
SELECT 'publication_table', quote_ident(p.pubname) || ' ' || r.name,
       'ALTER PUBLICATION ' || quote_ident(p.pubname) || ' ADD TABLE ' || r.name
       || coalesce(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C") FROM pg_attribute a --@ 15
                            WHERE a.attrelid = r.oid AND a.attnum = ANY (x.prattrs::int2[])) || ')', '') --@ 15
       || coalesce(' WHERE (' || pg_get_expr(x.prqual, x.prrelid) || ')', '') --@ 15
       , r.schema, r.name
FROM pg_publication_rel x JOIN pg_publication p ON p.oid = x.prpubid JOIN rel r ON r.oid = x.prrelid

UNION ALL --@ 15
SELECT 'publication_schema', quote_ident(p.pubname) || ' ' || ns.name, --@ 15
       'ALTER PUBLICATION ' || quote_ident(p.pubname) || ' ADD TABLES IN SCHEMA ' || ns.name, ns.name, '' --@ 15
FROM pg_publication_namespace x JOIN pg_publication p ON p.oid = x.pnpubid JOIN ns ON ns.oid = x.pnnspid --@ 15

UNION ALL
SELECT 'cast', '(' || format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget, NULL) || ')',
       'CREATE CAST (' || format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget, NULL) || ') '
       || CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::regprocedure::text WHEN 'i' THEN 'WITH INOUT'
                            ELSE 'WITHOUT FUNCTION' END
       || CASE c.castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' ELSE '' END,
       coalesce((SELECT ns.name FROM pg_type t JOIN ns ON ns.oid = t.typnamespace WHERE t.oid IN (c.castsource, c.casttarget)
                 LIMIT 1), ''), ''
FROM pg_cast c
WHERE c.oid >= 16384
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_cast'::regclass AND m.objid = c.oid)

UNION ALL
SELECT 'operator', o.oid::regoperator::text,
       'CREATE OPERATOR ' || ns.name || '.' || o.oprname || ' (FUNCTION = ' || o.oprcode::regproc::text
       || CASE WHEN o.oprleft <> 0 THEN ', LEFTARG = ' || format_type(o.oprleft, NULL) ELSE '' END
       || CASE WHEN o.oprright <> 0 THEN ', RIGHTARG = ' || format_type(o.oprright, NULL) ELSE '' END
       || CASE WHEN o.oprcom <> 0 THEN ', COMMUTATOR = OPERATOR(' || o.oprcom::regoper::text || ')' ELSE '' END
       || CASE WHEN o.oprnegate <> 0 THEN ', NEGATOR = OPERATOR(' || o.oprnegate::regoper::text || ')' ELSE '' END
       || CASE WHEN o.oprrest::oid <> 0 THEN ', RESTRICT = ' || o.oprrest::text ELSE '' END
       || CASE WHEN o.oprjoin::oid <> 0 THEN ', JOIN = ' || o.oprjoin::text ELSE '' END
       || CASE WHEN o.oprcanhash THEN ', HASHES' ELSE '' END || CASE WHEN o.oprcanmerge THEN ', MERGES' ELSE '' END || ')',
       ns.name, ''
FROM pg_operator o JOIN ns ON ns.oid = o.oprnamespace
WHERE o.oid >= 16384 AND o.oprcode::oid <> 0
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_operator'::regclass AND m.objid = o.oid)

UNION ALL
SELECT 'operator_class', ns.name || '.' || quote_ident(o.opcname) || ' using ' || quote_ident(a.amname),
       'operator class for ' || format_type(o.opcintype, NULL) || CASE WHEN o.opcdefault THEN ', default' ELSE '' END,
       ns.name, ''
FROM pg_opclass o JOIN ns ON ns.oid = o.opcnamespace JOIN pg_am a ON a.oid = o.opcmethod
WHERE o.oid >= 16384
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_opclass'::regclass AND m.objid = o.oid)

UNION ALL
SELECT 'text_search_dictionary', ns.name || '.' || quote_ident(d.dictname),
       'CREATE TEXT SEARCH DICTIONARY ' || ns.name || '.' || quote_ident(d.dictname) || ' (TEMPLATE = '
       || quote_ident(n.nspname) || '.' || quote_ident(t.tmplname) || coalesce(', ' || d.dictinitoption, '') || ')', ns.name, ''
FROM pg_ts_dict d JOIN ns ON ns.oid = d.dictnamespace JOIN pg_ts_template t ON t.oid = d.dicttemplate
JOIN pg_namespace n ON n.oid = t.tmplnamespace
WHERE d.oid >= 16384
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_dict'::regclass AND m.objid = d.oid)

UNION ALL
SELECT 'text_search_configuration', ns.name || '.' || quote_ident(c.cfgname),
       'CREATE TEXT SEARCH CONFIGURATION ' || ns.name || '.' || quote_ident(c.cfgname) || ' (PARSER = '
       || quote_ident(n.nspname) || '.' || quote_ident(p.prsname) || ')', ns.name, ''
FROM pg_ts_config c JOIN ns ON ns.oid = c.cfgnamespace JOIN pg_ts_parser p ON p.oid = c.cfgparser
JOIN pg_namespace n ON n.oid = p.prsnamespace
WHERE c.oid >= 16384
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_config'::regclass AND m.objid = c.oid)

UNION ALL
SELECT 'text_search_mapping', ns.name || '.' || quote_ident(c.cfgname) || ' ' || t.alias,
       'ALTER TEXT SEARCH CONFIGURATION ' || ns.name || '.' || quote_ident(c.cfgname) || ' ADD MAPPING FOR ' || t.alias
       || ' WITH ' || (SELECT string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno)
                       FROM pg_ts_config_map m WHERE m.mapcfg = c.oid AND m.maptokentype = t.tokid), ns.name, ''
FROM pg_ts_config c JOIN ns ON ns.oid = c.cfgnamespace CROSS JOIN LATERAL ts_token_type(c.cfgparser) t
WHERE c.oid >= 16384
  AND EXISTS (SELECT FROM pg_ts_config_map m WHERE m.mapcfg = c.oid AND m.maptokentype = t.tokid)
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_ts_config'::regclass AND m.objid = c.oid)

UNION ALL
SELECT 'foreign_data_wrapper', quote_ident(f.fdwname),
       'CREATE FOREIGN DATA WRAPPER ' || quote_ident(f.fdwname)
       || CASE WHEN f.fdwhandler <> 0 THEN ' HANDLER ' || f.fdwhandler::regproc::text ELSE '' END
       || CASE WHEN f.fdwvalidator <> 0 THEN ' VALIDATOR ' || f.fdwvalidator::regproc::text ELSE '' END, '', ''
FROM pg_foreign_data_wrapper f
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_foreign_data_wrapper'::regclass AND m.objid = f.oid)

UNION ALL
SELECT 'foreign_server', quote_ident(s.srvname),
       'CREATE SERVER ' || quote_ident(s.srvname) || coalesce(' TYPE ' || quote_literal(s.srvtype), '')
       || coalesce(' VERSION ' || quote_literal(s.srvversion), '') || ' FOREIGN DATA WRAPPER ' || quote_ident(f.fdwname)
       || coalesce(' OPTIONS (' || (SELECT string_agg(quote_ident(x.option_name) || ' ' || quote_literal(x.option_value),
                                                      ', ' ORDER BY x.option_name)
                                    FROM pg_options_to_table(s.srvoptions) x
                                    WHERE x.option_name !~* 'passw|secret') || ')', ''), '', ''
FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_foreign_server'::regclass AND m.objid = s.oid)

UNION ALL
-- Options of a user mapping hold passwords: they are not read.
SELECT 'user_mapping', quote_ident(u.usename) || ' on ' || quote_ident(u.srvname), 'user mapping', '', ''
FROM pg_user_mappings u

UNION ALL
SELECT 'owner', lower(o.word) || ' ' || o.name,
       'ALTER ' || CASE o.word WHEN 'FOREIGN SERVER' THEN 'SERVER' ELSE o.word END || ' '
       || CASE o.word WHEN 'AGGREGATE' THEN replace(o.name, '()', '(*)') ELSE o.name END
       || ' OWNER TO ' || quote_ident(pg_get_userbyid(o.owner)), o.schema, o.relation
FROM object o
WHERE o.has_owner

UNION ALL
SELECT r.kind, r.name || ' ' || r.direction || ' ' || r.role || CASE WHEN r.grantable THEN ' with grant option' ELSE '' END,
       r.prefix || CASE r.direction WHEN 'to' THEN 'GRANT ' ELSE 'REVOKE ' END || r.privileges || r.target
       || CASE r.direction WHEN 'to' THEN ' TO ' ELSE ' FROM ' END || r.role
       || CASE WHEN r.grantable THEN ' WITH GRANT OPTION' ELSE '' END, r.schema, r.relation
FROM right_of r

UNION ALL
SELECT 'comment', i.type || ' ' || i.identity,
       'COMMENT ON '
       || CASE WHEN d.objsubid > 0 THEN 'COLUMN ' || i.identity
               WHEN i.type = 'domain constraint'
               THEN (SELECT 'CONSTRAINT ' || quote_ident(c.conname) || ' ON DOMAIN ' || format_type(c.contypid, NULL)
                     FROM pg_constraint c WHERE c.oid = d.objoid)
               WHEN i.type = 'table constraint' THEN 'CONSTRAINT ' || i.identity
               WHEN i.type = 'statistics object' THEN 'STATISTICS ' || i.identity
               WHEN i.type = 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER ' || i.identity
               WHEN i.type = 'aggregate' THEN 'AGGREGATE ' || replace(i.identity, '()', '(*)')
               ELSE upper(i.type) || ' ' || i.identity END
       || ' IS ' || quote_literal(d.description),
       coalesce(r.schema, i.schema, CASE i.type WHEN 'schema' THEN i.identity ELSE '' END),
       coalesce(r.name, '')
FROM (SELECT d.*,
             CASE d.classoid
             WHEN 'pg_class'::regclass THEN coalesce((SELECT o.relid FROM owned o WHERE o.oid = d.objoid),
                                                     (SELECT x.indrelid FROM pg_index x WHERE x.indexrelid = d.objoid),
                                                     d.objoid)
             WHEN 'pg_constraint'::regclass THEN (SELECT c.conrelid FROM pg_constraint c WHERE c.oid = d.objoid)
             WHEN 'pg_trigger'::regclass THEN (SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = d.objoid)
             WHEN 'pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_policy p WHERE p.oid = d.objoid)
             WHEN 'pg_rewrite'::regclass THEN (SELECT w.ev_class FROM pg_rewrite w WHERE w.oid = d.objoid)
             WHEN 'pg_statistic_ext'::regclass THEN (SELECT s.stxrelid FROM pg_statistic_ext s WHERE s.oid = d.objoid)
             END AS relid
      FROM pg_description d
      WHERE d.objoid >= 16384
      UNION ALL
      SELECT d.*, 0::oid FROM pg_description d
      WHERE d.objoid = 2200 AND d.classoid = 'pg_namespace'::regclass) d
CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
LEFT JOIN rel r ON r.oid = d.relid
WHERE i.type IS NOT NULL AND (i.schema IS NULL OR i.schema IN (SELECT ns.name FROM ns))
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classoid AND m.objid = d.objoid)

UNION ALL
SELECT 'comment', 'database current_database', 'COMMENT ON DATABASE current_database IS ' || quote_literal(d.description), '', ''
FROM pg_shdescription d
WHERE d.classoid = 'pg_database'::regclass AND d.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())

UNION ALL
SELECT '', '', '', '', '' FROM setting WHERE set_config(setting.name, setting.was, true) IS NULL
) AS everything
LIMIT (SELECT 1000000000)
