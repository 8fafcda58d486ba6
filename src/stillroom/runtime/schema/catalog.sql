-- The structure of one database, as rows (kind, name, definition, schema, relation), in one statement.
--
-- Read by catalog.py, which drops the lines that do not fit the server. A line ending in "--@ 14" is kept from
-- version 14 on, one ending in "--@ 15-16" for these versions, one ending in "--@ <14" before version 14. No percent
-- sign and no colon-name may stand in this file: drivers would take them for parameters.
--
-- What stands between "--@ rare" and "--@ end" is about kinds of objects that few databases have, and costs half of
-- the time. It is left out at first; what stands between "--@ usual" and "--@ end" then gives a row of kind "rare" if
-- there are such objects after all, and the whole statement is sent instead.
--
-- The text that pg_get_*def and format_type give depends on settings of the session. The first branch of the union
-- sets them for this transaction, the last branch sets them back: branches run in the order in which they stand
-- (set_config is parallel-unsafe, so nothing runs beside them), and common table expressions run when first read.
--
-- Planning is half of the price, so there are few joins and few branches: what one row of the catalog has to tell
-- stands in one VALUES list, and names come from casts to reg* types. LIMIT stands there for the estimate: a limit
-- that is no constant counts as a tenth of the rows, which stays below jit_above_cost. Compiling this statement takes
-- a second; running it takes some milliseconds.
--
-- 16384 is the first object id that initdb does not use.
WITH setting AS MATERIALIZED (
    SELECT wanted.name, wanted.value, current_setting(wanted.name) AS was
    FROM (VALUES ('search_path', 'pg_catalog, pg_temp'), ('timezone', 'UTC'), ('datestyle', 'ISO, MDY'),
                 ('intervalstyle', 'postgres'), ('extra_float_digits', '1'), ('bytea_output', 'hex'),
                 ('quote_all_identifiers', 'off')) AS wanted (name, value)
    WHERE current_setting(wanted.name) <> wanted.value
),
-- What an extension brought, and functions and casts that came with a range type.
member AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend
    WHERE deptype = 'e' OR deptype = 'i' AND classid IN ('pg_proc'::regclass, 'pg_cast'::regclass)
),
-- The ledger of migration runs (ledger/tables.py) is no part of what migrations make.
ns AS MATERIALIZED (
    SELECT n.oid, quote_ident(n.nspname) AS name, n.nspowner AS owner, n.nspacl AS acl
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT (n.nspname = 'stillroom'
               AND starts_with(coalesce(obj_description(n.oid, 'pg_namespace'), ''), 'stillroom ledger'))
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
           CASE WHEN w.relid IS NOT NULL THEN w.relid::regclass::text
                WHEN c.relkind = 'S' THEN ''
                ELSE ns.name || '.' || quote_ident(c.relname) END AS relation,
           c.relowner AS owner, c.relacl AS acl, c.relpersistence AS persistence, c.relispartition AS is_partition,
           c.relrowsecurity AS secured, c.relforcerowsecurity AS forced, c.relreplident AS replica_identity,
           c.reloptions AS options, c.relam AS am, c.relpartbound AS bound,
           w.relid AS owner_relid, w.attnum AS owner_attnum, w.how AS owned_how,
           CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' WHEN 'S' THEN 'SEQUENCE'
                          WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END AS word
    FROM pg_class c
    JOIN ns ON ns.oid = c.relnamespace
    LEFT JOIN owned w ON w.oid = c.oid
    WHERE c.oid >= 16384 AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid)
),
seq AS MATERIALIZED (
    SELECT s.seqrelid AS oid,
           CASE WHEN s.seqtypid <> 'bigint'::regtype THEN ' AS ' || format_type(s.seqtypid, NULL) ELSE '' END AS type,
           CASE WHEN s.seqincrement <> 1 THEN ' INCREMENT BY ' || s.seqincrement ELSE '' END
           || CASE WHEN s.seqmin <> CASE WHEN s.seqincrement > 0 THEN 1 ELSE -t.top - 1 END
                   THEN ' MINVALUE ' || s.seqmin ELSE '' END
           || CASE WHEN s.seqmax <> CASE WHEN s.seqincrement > 0 THEN t.top ELSE -1 END
                   THEN ' MAXVALUE ' || s.seqmax ELSE '' END
           || CASE WHEN s.seqstart <> CASE WHEN s.seqincrement > 0 THEN s.seqmin ELSE s.seqmax END
                   THEN ' START WITH ' || s.seqstart ELSE '' END
           || CASE WHEN s.seqcache <> 1 THEN ' CACHE ' || s.seqcache ELSE '' END
           || CASE WHEN s.seqcycle THEN ' CYCLE' ELSE '' END AS options
    FROM pg_sequence s
    JOIN (VALUES ('smallint'::regtype, 32767), ('integer'::regtype, 2147483647),
                 ('bigint'::regtype, 9223372036854775807)) AS t (type, top) ON t.type = s.seqtypid
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
    WHERE t.oid >= 16384 AND t.typtype IN ('e', 'd', 'c', 'r', 'b')
      AND (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_class c WHERE c.oid = t.typrelid))
      AND NOT (t.typtype = 'b' AND t.typelem <> 0 AND t.typlen = -1 AND t.typname ~ '^_')
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
),
-- What is rare: each catalog with one plain scan. nsid is 0 for what is in no schema.
rare AS MATERIALIZED (
    SELECT x.kind, x.name, x.definition, coalesce(ns.name, '') AS schema, coalesce(r.name, '') AS relation,
           x.word, x.owner, x.acl, x.letter
    FROM (
        SELECT 'pg_extension'::regclass AS classid, e.oid, 0::oid AS nsid, 0::oid AS relid, 'extension' AS kind,
               quote_ident(e.extname) AS name,
               'CREATE EXTENSION ' || quote_ident(e.extname) || ' WITH SCHEMA ' || e.extnamespace::regnamespace::text
               || ' VERSION ' || quote_literal(e.extversion) AS definition,
               NULL AS word, NULL::oid AS owner, NULL::aclitem[] AS acl, NULL::"char" AS letter
        FROM pg_extension e
--@ rare
        UNION ALL
        SELECT 'pg_collation'::regclass, c.oid, c.collnamespace, 0, 'collation', c.oid::regcollation::text,
               'CREATE COLLATION ' || c.oid::regcollation::text || ' (PROVIDER = '
               || CASE c.collprovider WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin' ELSE 'libc' END
               || coalesce(', LOCALE = ' || quote_literal(c.colliculocale), --@ 15-16
               || coalesce(', LOCALE = ' || quote_literal(c.colllocale), --@ 17
               || coalesce( --@ <15
                           ', LC_COLLATE = ' || quote_literal(c.collcollate) || ', LC_CTYPE = ' || quote_literal(c.collctype))
               || CASE WHEN c.collisdeterministic THEN '' ELSE ', DETERMINISTIC = false' END || ')',
               'COLLATION', c.collowner, NULL, NULL
        FROM pg_collation c WHERE c.oid >= 16384
        UNION ALL
        SELECT 'pg_statistic_ext'::regclass, s.oid, s.stxnamespace, s.stxrelid, 'statistics',
               s.stxnamespace::regnamespace::text || '.' || quote_ident(s.stxname), pg_get_statisticsobjdef(s.oid),
               'STATISTICS', s.stxowner, NULL, NULL
        FROM pg_statistic_ext s
        UNION ALL
        SELECT 'pg_operator'::regclass, o.oid, o.oprnamespace, 0, 'operator', o.oid::regoperator::text,
               'CREATE OPERATOR ' || o.oprnamespace::regnamespace::text || '.' || o.oprname
               || ' (FUNCTION = ' || o.oprcode::text
               || CASE WHEN o.oprleft <> 0 THEN ', LEFTARG = ' || format_type(o.oprleft, NULL) ELSE '' END
               || CASE WHEN o.oprright <> 0 THEN ', RIGHTARG = ' || format_type(o.oprright, NULL) ELSE '' END
               || CASE WHEN o.oprcom <> 0 THEN ', COMMUTATOR = OPERATOR(' || o.oprcom::regoper::text || ')' ELSE '' END
               || CASE WHEN o.oprnegate <> 0 THEN ', NEGATOR = OPERATOR(' || o.oprnegate::regoper::text || ')' ELSE '' END
               || CASE WHEN o.oprrest::oid <> 0 THEN ', RESTRICT = ' || o.oprrest::text ELSE '' END
               || CASE WHEN o.oprjoin::oid <> 0 THEN ', JOIN = ' || o.oprjoin::text ELSE '' END
               || CASE WHEN o.oprcanhash THEN ', HASHES' ELSE '' END
               || CASE WHEN o.oprcanmerge THEN ', MERGES' ELSE '' END || ')', 'OPERATOR', o.oprowner, NULL, NULL
        FROM pg_operator o WHERE o.oid >= 16384 AND o.oprcode::oid <> 0
        UNION ALL
        SELECT 'pg_opclass'::regclass, o.oid, o.opcnamespace, 0, 'operator_class',
               o.opcnamespace::regnamespace::text || '.' || quote_ident(o.opcname) || ' using '
               || (SELECT quote_ident(a.amname) FROM pg_am a WHERE a.oid = o.opcmethod),
               'operator class for ' || format_type(o.opcintype, NULL) || CASE WHEN o.opcdefault THEN ', default' ELSE '' END,
               NULL, NULL, NULL, NULL
        FROM pg_opclass o WHERE o.oid >= 16384
        UNION ALL
        SELECT 'pg_ts_dict'::regclass, d.oid, d.dictnamespace, 0, 'text_search_dictionary', d.oid::regdictionary::text,
               'CREATE TEXT SEARCH DICTIONARY ' || d.oid::regdictionary::text || ' (TEMPLATE = '
               || (SELECT t.tmplnamespace::regnamespace::text || '.' || quote_ident(t.tmplname)
                   FROM pg_ts_template t WHERE t.oid = d.dicttemplate) || coalesce(', ' || d.dictinitoption, '') || ')',
               'TEXT SEARCH DICTIONARY', d.dictowner, NULL, NULL
        FROM pg_ts_dict d WHERE d.oid >= 16384
        UNION ALL
        SELECT 'pg_ts_config'::regclass, c.oid, c.cfgnamespace, 0, x.kind, c.oid::regconfig::text || x.suffix, x.definition,
               CASE x.suffix WHEN '' THEN 'TEXT SEARCH CONFIGURATION' END, c.cfgowner, NULL, NULL
        FROM pg_ts_config c
        CROSS JOIN LATERAL (
            SELECT 'text_search_configuration' AS kind, '' AS suffix,
                   'CREATE TEXT SEARCH CONFIGURATION ' || c.oid::regconfig::text || ' (PARSER = '
                   || (SELECT p.prsnamespace::regnamespace::text || '.' || quote_ident(p.prsname)
                       FROM pg_ts_parser p WHERE p.oid = c.cfgparser) || ')' AS definition
            UNION ALL
            SELECT 'text_search_mapping', ' ' || t.alias,
                   'ALTER TEXT SEARCH CONFIGURATION ' || c.oid::regconfig::text || ' ADD MAPPING FOR ' || t.alias || ' WITH '
                   || (SELECT string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno)
                       FROM pg_ts_config_map m WHERE m.mapcfg = c.oid AND m.maptokentype = t.tokid)
            FROM ts_token_type(c.cfgparser) t
        ) x
        WHERE c.oid >= 16384
        UNION ALL
        SELECT 'pg_cast'::regclass, c.oid,
               coalesce((SELECT t.typnamespace FROM pg_type t JOIN ns ON ns.oid = t.typnamespace
                         WHERE t.oid IN (c.castsource, c.casttarget) ORDER BY ns.name LIMIT 1), 0), 0, 'cast',
               '(' || format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget, NULL) || ')',
               'CREATE CAST (' || format_type(c.castsource, NULL) || ' AS ' || format_type(c.casttarget, NULL) || ') '
               || CASE c.castmethod WHEN 'f' THEN 'WITH FUNCTION ' || c.castfunc::regprocedure::text
                                    WHEN 'i' THEN 'WITH INOUT' ELSE 'WITHOUT FUNCTION' END
               || CASE c.castcontext WHEN 'a' THEN ' AS ASSIGNMENT' WHEN 'i' THEN ' AS IMPLICIT' ELSE '' END,
               NULL, NULL, NULL, NULL
        FROM pg_cast c WHERE c.oid >= 16384
        UNION ALL
        SELECT 'pg_event_trigger'::regclass, e.oid, 0, 0, x.kind, quote_ident(e.evtname) || x.suffix, x.definition,
               CASE x.suffix WHEN '' THEN 'EVENT TRIGGER' END, e.evtowner, NULL, NULL
        FROM pg_event_trigger e
        CROSS JOIN LATERAL (VALUES
            ('event_trigger', '',
             'CREATE EVENT TRIGGER ' || quote_ident(e.evtname) || ' ON ' || e.evtevent
             || coalesce(' WHEN TAG IN (' || (SELECT string_agg(quote_literal(tag), ', ' ORDER BY tag)
                                              FROM unnest(e.evttags) tag) || ')', '')
             || ' EXECUTE FUNCTION ' || e.evtfoid::regproc::text || '()'),
            ('option', ' event trigger',
             'ALTER EVENT TRIGGER ' || quote_ident(e.evtname)
             || CASE e.evtenabled WHEN 'D' THEN ' DISABLE' WHEN 'R' THEN ' ENABLE REPLICA' WHEN 'A' THEN ' ENABLE ALWAYS' END)
        ) AS x (kind, suffix, definition)
        UNION ALL
        SELECT 'pg_foreign_data_wrapper'::regclass, f.oid, 0, 0, 'foreign_data_wrapper', quote_ident(f.fdwname),
               'CREATE FOREIGN DATA WRAPPER ' || quote_ident(f.fdwname)
               || CASE WHEN f.fdwhandler <> 0 THEN ' HANDLER ' || f.fdwhandler::regproc::text ELSE '' END
               || CASE WHEN f.fdwvalidator <> 0 THEN ' VALIDATOR ' || f.fdwvalidator::regproc::text ELSE '' END,
               'FOREIGN DATA WRAPPER', f.fdwowner, f.fdwacl, 'F'
        FROM pg_foreign_data_wrapper f
        UNION ALL
        SELECT 'pg_foreign_server'::regclass, s.oid, 0, 0, 'foreign_server', quote_ident(s.srvname),
               'CREATE SERVER ' || quote_ident(s.srvname) || coalesce(' TYPE ' || quote_literal(s.srvtype), '')
               || coalesce(' VERSION ' || quote_literal(s.srvversion), '')
               || ' FOREIGN DATA WRAPPER '
               || (SELECT quote_ident(f.fdwname) FROM pg_foreign_data_wrapper f WHERE f.oid = s.srvfdw)
               || coalesce(' OPTIONS (' || (SELECT string_agg(quote_ident(o.option_name) || ' '
                                                              || quote_literal(o.option_value), ', ' ORDER BY o.option_name)
                                            FROM pg_options_to_table(s.srvoptions) o
                                            WHERE o.option_name !~* 'passw|secret') || ')', ''),
               'FOREIGN SERVER', s.srvowner, s.srvacl, 'S'
        FROM pg_foreign_server s
        UNION ALL
        SELECT 'pg_publication'::regclass, p.oid, 0, 0, 'publication', quote_ident(p.pubname),
               'CREATE PUBLICATION ' || quote_ident(p.pubname) || CASE WHEN p.puballtables THEN ' FOR ALL TABLES' ELSE '' END
               || ' WITH (publish = ' || quote_literal(concat_ws(', ', CASE WHEN p.pubinsert THEN 'insert' END,
                      CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
                      CASE WHEN p.pubtruncate THEN 'truncate' END))
               || CASE WHEN p.pubviaroot THEN ', publish_via_partition_root = true' ELSE '' END
               || CASE WHEN p.pubgencols = 's' THEN ', publish_generated_columns = stored' ELSE '' END --@ 18
               || ')', 'PUBLICATION', p.pubowner, NULL, NULL
        FROM pg_publication p
        UNION ALL --@ 15
        SELECT 'pg_publication_namespace'::regclass, x.oid, x.pnnspid, 0, 'publication_schema', --@ 15
               quote_ident(p.pubname) || ' ' || x.pnnspid::regnamespace::text, --@ 15
               'ALTER PUBLICATION ' || quote_ident(p.pubname) || ' ADD TABLES IN SCHEMA ' || x.pnnspid::regnamespace::text, --@ 15
               NULL, NULL, NULL, NULL --@ 15
        FROM pg_publication_namespace x JOIN pg_publication p ON p.oid = x.pnpubid --@ 15
        UNION ALL
        SELECT 'pg_publication_rel'::regclass, x.oid, c.relnamespace, c.oid, 'publication_table',
               quote_ident(p.pubname) || ' ' || x.prrelid::regclass::text,
               'ALTER PUBLICATION ' || quote_ident(p.pubname) || ' ADD TABLE ONLY ' || x.prrelid::regclass::text
               || coalesce(' (' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname COLLATE "C") --@ 15
                                    FROM pg_attribute a --@ 15
                                    WHERE a.attrelid = x.prrelid AND a.attnum = ANY (x.prattrs::int2[])) || ')', '') --@ 15
               || coalesce(' WHERE (' || pg_get_expr(x.prqual, x.prrelid) || ')', '') --@ 15
               , NULL, NULL, NULL, NULL
        FROM pg_publication_rel x JOIN pg_publication p ON p.oid = x.prpubid JOIN pg_class c ON c.oid = x.prrelid
--@ end
    ) x
    LEFT JOIN ns ON ns.oid = x.nsid
    LEFT JOIN rel r ON r.oid = x.relid
    WHERE x.definition IS NOT NULL AND (x.nsid = 0 OR ns.oid IS NOT NULL)
      AND NOT EXISTS (SELECT FROM member m WHERE m.classid = x.classid AND m.objid = x.oid)
),
-- What a role can own and be given rights on; letter is the one that acldefault takes.
object AS MATERIALIZED (
    SELECT r.word AS word, r.name AS name, r.schema AS schema, r.relation AS relation, r.owner AS owner, r.acl AS acl,
           CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char" AS letter, r.owner_relid IS NULL AS has_owner
    FROM rel r
    UNION ALL SELECT word, name, schema, '', owner, acl, 'f', true FROM proc
    UNION ALL SELECT word, name, schema, '', owner, acl, 'T', true FROM typ
    UNION ALL SELECT 'SCHEMA', name, name, '', owner, acl, 'n', true FROM ns
    UNION ALL SELECT word, name, schema, relation, owner, acl, letter, true FROM rare WHERE word IS NOT NULL
    UNION ALL
    SELECT 'DATABASE', 'current_database', '', '', datdba, datacl, 'd', true
    FROM pg_database WHERE datname = current_database()
),
-- Rights that stand somewhere, and those that every such object has without a word (implied).
standing AS (
    SELECT 'acl' AS kind, lower(o.word) || ' ' || o.name AS name, o.schema, o.relation, o.acl,
           acldefault(o.letter, o.owner) AS implied, '' AS suffix, '' AS prefix,
           ' ON ' || CASE o.word WHEN 'VIEW' THEN 'TABLE' WHEN 'MATERIALIZED VIEW' THEN 'TABLE'
                                 WHEN 'FOREIGN TABLE' THEN 'TABLE' WHEN 'AGGREGATE' THEN 'FUNCTION'
                                 ELSE o.word END || ' ' || o.name AS target
    FROM object o
    WHERE o.acl IS NOT NULL
    UNION ALL
    SELECT 'acl', 'column ' || r.name || '.' || quote_ident(a.attname), r.schema, r.name, a.attacl, NULL::aclitem[],
           ' (' || quote_ident(a.attname) || ')', '', ' ON TABLE ' || r.name
    FROM pg_attribute a JOIN rel r ON r.oid = a.attrelid
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'default_acl', d.thing || ' of ' || d.role || coalesce(' in schema ' || ns.name, ''), coalesce(ns.name, ''), '',
           d.acl, CASE WHEN ns.oid IS NULL THEN acldefault(d.letter, d.owner) END, '',
           'ALTER DEFAULT PRIVILEGES FOR ROLE ' || d.role || coalesce(' IN SCHEMA ' || ns.name, '') || ' ',
           ' ON ' || upper(d.thing)
    FROM (SELECT defaclrole AS owner, defaclnamespace AS nsid, defaclacl AS acl,
                 quote_ident(pg_get_userbyid(defaclrole)) AS role,
                 CASE defaclobjtype WHEN 'S' THEN 's' ELSE defaclobjtype END AS letter,
                 CASE defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                    WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END AS thing
          FROM pg_default_acl) d
    LEFT JOIN ns ON ns.oid = d.nsid
    WHERE d.nsid = 0 OR ns.oid IS NOT NULL
)
SELECT kind, name, definition, schema, relation FROM (
SELECT '' AS kind, '' AS name, '' AS definition, '' AS schema, '' AS relation
FROM setting WHERE set_config(setting.name, setting.value, true) IS NULL

UNION ALL
SELECT 'schema', name, 'CREATE SCHEMA ' || name, name, '' FROM ns

UNION ALL
SELECT kind, name, definition, schema, relation FROM rare

UNION ALL
SELECT 'table', r.name,
       'CREATE ' || CASE r.persistence WHEN 'u' THEN 'UNLOGGED ' ELSE '' END || 'TABLE ' || r.name || ' ()'
       || CASE WHEN r.is_partition THEN '' ELSE coalesce(' INHERITS ('
               || (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
                   FROM pg_inherits i WHERE i.inhrelid = r.oid) || ')', '') END
       || CASE WHEN r.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(r.oid) ELSE '' END
       || coalesce((SELECT ' USING ' || quote_ident(a.amname) FROM pg_am a WHERE a.oid = r.am AND a.amname <> 'heap'), ''),
       r.schema, r.name
FROM rel r
WHERE r.relkind IN ('r', 'p')

UNION ALL
SELECT 'sequence', r.name, 'CREATE SEQUENCE ' || r.name || s.type || s.options, r.schema, r.relation
FROM rel r JOIN seq s ON s.oid = r.oid
WHERE r.owned_how IS DISTINCT FROM 'i'

UNION ALL
SELECT 'owned_by', r.name, 'ALTER SEQUENCE ' || r.name || ' OWNED BY ' || r.relation || '.'
       || (SELECT quote_ident(a.attname) FROM pg_attribute a WHERE a.attrelid = r.owner_relid AND a.attnum = r.owner_attnum),
       r.schema, r.relation
FROM rel r
WHERE r.owned_how = 'a'

UNION ALL
-- VALUES of many rows are cheap to plan and dear to run: only for relations that have any of it.
SELECT x.kind, x.name, x.definition, r.schema, r.relation
FROM rel r
CROSS JOIN LATERAL (VALUES
    ('partition', r.name,
     CASE WHEN r.is_partition THEN
         'PARTITION OF ' || (SELECT i.inhparent::regclass::text FROM pg_inherits i WHERE i.inhrelid = r.oid)
         || ' ' || pg_get_expr(r.bound, r.oid)
     END),
    ('foreign_table', r.name,
     CASE WHEN r.relkind = 'f' THEN
         (SELECT 'CREATE FOREIGN TABLE ' || r.name || ' () SERVER '
                 || (SELECT quote_ident(s.srvname) FROM pg_foreign_server s WHERE s.oid = f.ftserver)
                 || coalesce(' OPTIONS (' || (SELECT string_agg(quote_ident(o.option_name) || ' '
                                                                || quote_literal(o.option_value), ', ' ORDER BY o.option_name)
                                              FROM pg_options_to_table(f.ftoptions) o
                                              WHERE o.option_name !~* 'passw|secret') || ')', '')
          FROM pg_foreign_table f WHERE f.ftrelid = r.oid)
     END),
    ('row_security', r.name, CASE WHEN r.secured THEN 'ALTER TABLE ' || r.name || ' ENABLE ROW LEVEL SECURITY' END),
    ('row_security', r.name || ' force', CASE WHEN r.forced THEN 'ALTER TABLE ' || r.name || ' FORCE ROW LEVEL SECURITY' END),
    ('replica_identity', r.name,
     CASE WHEN r.relkind IN ('r', 'p') AND r.replica_identity <> 'd' THEN
         'ALTER TABLE ' || r.name || ' REPLICA IDENTITY '
         || CASE r.replica_identity WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING'
            ELSE 'USING INDEX ' || coalesce((SELECT quote_ident(c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                                             WHERE i.indrelid = r.oid AND i.indisreplident), '""') END
     END),
    (CASE r.relkind WHEN 'v' THEN 'view' ELSE 'materialized_view' END, r.name,
     CASE WHEN r.relkind IN ('v', 'm') THEN
         'CREATE ' || r.word || ' ' || r.name || E' AS\n' || rtrim(pg_get_viewdef(r.oid), ';')
     END)
) AS x (kind, name, definition)
WHERE (r.is_partition OR r.secured OR r.forced OR r.relkind IN ('v', 'm', 'f') OR r.replica_identity IN ('f', 'i')
       OR r.replica_identity = 'n' AND r.relkind IN ('r', 'p'))
  AND x.definition IS NOT NULL

UNION ALL
SELECT 'option', r.name || ' ' || split_part(x.setting, '=', 1),
       'ALTER ' || r.word || ' ' || r.name || ' SET (' || split_part(x.setting, '=', 1) || ' = '
       || quote_literal(substr(x.setting, strpos(x.setting, '=') + 1)) || ')', r.schema, r.name
FROM rel r CROSS JOIN LATERAL unnest(r.options) AS x (setting)

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
SELECT 'option', r.name || '.' || quote_ident(a.attname) || x.suffix,
       'ALTER TABLE ' || r.name || ' ALTER COLUMN ' || quote_ident(a.attname) || ' SET ' || x.setting, r.schema, r.name
FROM rel r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
CROSS JOIN LATERAL (VALUES
    (' storage',
     CASE WHEN a.attstorage <> t.typstorage THEN
         'STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END
     END),
    (' compression', CASE a.attcompression WHEN 'l' THEN 'COMPRESSION lz4' WHEN 'p' THEN 'COMPRESSION pglz' END), --@ 14
    (' statistics', CASE WHEN a.attstattarget >= 0 THEN 'STATISTICS ' || a.attstattarget END),
    (' options', '(' || array_to_string(a.attoptions, ', ') || ')')
) AS x (suffix, setting)
WHERE r.relkind IN ('r', 'p', 'f', 'm')
  AND (a.attstorage <> t.typstorage OR a.attstattarget >= 0 OR a.attoptions IS NOT NULL
       OR a.attcompression <> '' --@ 14
      )
  AND x.setting IS NOT NULL

UNION ALL
SELECT 'constraint', r.name || '.' || quote_ident(c.conname), pg_get_constraintdef(c.oid), r.schema, r.name
FROM pg_constraint c
JOIN rel r ON r.oid = c.conrelid
WHERE c.oid >= 16384 AND c.contype IN ('c', 'f', 'p', 'u', 'x') AND c.conparentid = 0 AND c.conislocal

UNION ALL
SELECT 'index', r.schema || '.' || quote_ident(c.relname),
       pg_get_indexdef(c.oid) || CASE WHEN i.indisvalid THEN '' ELSE ' /* INVALID */' END, r.schema, r.name
FROM rel r
JOIN pg_index i ON i.indrelid = r.oid
JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT c.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint o WHERE o.conrelid = r.oid AND o.conindid = c.oid AND o.contype IN ('p', 'u', 'x'))

UNION ALL
SELECT 'option', r.name || ' cluster', 'ALTER TABLE ' || r.name || ' CLUSTER ON ' || quote_ident(c.relname), r.schema, r.name
FROM rel r JOIN pg_index i ON i.indrelid = r.oid JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indisclustered

UNION ALL
SELECT CASE t.typtype WHEN 'd' THEN 'domain' ELSE 'type' END, t.name,
       CASE t.typtype
       WHEN 'e' THEN 'CREATE TYPE ' || t.name || ' AS ENUM ('
            || coalesce((SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
                         FROM pg_enum e WHERE e.enumtypid = t.oid), '') || ')'
       WHEN 'c' THEN 'CREATE TYPE ' || t.name || ' AS ('
            || coalesce((SELECT string_agg(quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod)
                                || CASE WHEN a.attcollation <> b.typcollation
                                        THEN ' COLLATE ' || a.attcollation::regcollation::text ELSE '' END,
                                ', ' ORDER BY a.attnum)
                         FROM pg_attribute a JOIN pg_type b ON b.oid = a.atttypid
                         WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped), '') || ')'
       WHEN 'r' THEN 'CREATE TYPE ' || t.name || ' AS RANGE ('
            || (SELECT 'SUBTYPE = ' || format_type(r.rngsubtype, NULL)
                       || (SELECT CASE WHEN o.opcdefault THEN '' ELSE ', SUBTYPE_OPCLASS = '
                                       || o.opcnamespace::regnamespace::text || '.' || quote_ident(o.opcname) END
                           FROM pg_opclass o WHERE o.oid = r.rngsubopc)
                       || CASE WHEN r.rngcollation <> (SELECT b.typcollation FROM pg_type b WHERE b.oid = r.rngsubtype)
                               THEN ', COLLATION = ' || r.rngcollation::regcollation::text ELSE '' END
                       || CASE WHEN r.rngcanonical::oid <> 0 THEN ', CANONICAL = ' || r.rngcanonical::text ELSE '' END
                       || CASE WHEN r.rngsubdiff::oid <> 0 THEN ', SUBTYPE_DIFF = ' || r.rngsubdiff::text ELSE '' END
                FROM pg_range r WHERE r.rngtypid = t.oid) || ')'
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
SELECT lower(p.word), p.name,
       CASE WHEN p.prokind <> 'a' THEN rtrim(pg_get_functiondef(p.oid), E'\n') ELSE
           (SELECT 'CREATE AGGREGATE ' || q.pronamespace::regnamespace::text || '.' || quote_ident(q.proname) || '('
                   || coalesce(nullif(pg_get_function_arguments(p.oid), ''), '*') || ') (SFUNC = ' || a.aggtransfn::text
                   || ', STYPE = ' || format_type(a.aggtranstype, NULL)
                   || CASE WHEN a.aggtransspace <> 0 THEN ', SSPACE = ' || a.aggtransspace ELSE '' END
                   || CASE WHEN a.aggfinalfn::oid <> 0 THEN ', FINALFUNC = ' || a.aggfinalfn::text ELSE '' END
                   || CASE WHEN a.aggfinalextra THEN ', FINALFUNC_EXTRA' ELSE '' END
                   || CASE WHEN a.aggcombinefn::oid <> 0 THEN ', COMBINEFUNC = ' || a.aggcombinefn::text ELSE '' END
                   || CASE WHEN a.aggserialfn::oid <> 0 THEN ', SERIALFUNC = ' || a.aggserialfn::text ELSE '' END
                   || CASE WHEN a.aggdeserialfn::oid <> 0 THEN ', DESERIALFUNC = ' || a.aggdeserialfn::text ELSE '' END
                   || coalesce(', INITCOND = ' || quote_literal(a.agginitval), '')
                   || CASE WHEN a.aggmtransfn::oid <> 0 THEN ', MSFUNC = ' || a.aggmtransfn::text
                           || ', MINVFUNC = ' || a.aggminvtransfn::text || ', MSTYPE = ' || format_type(a.aggmtranstype, NULL)
                           || CASE WHEN a.aggmfinalfn::oid <> 0 THEN ', MFINALFUNC = ' || a.aggmfinalfn::text ELSE '' END
                           || coalesce(', MINITCOND = ' || quote_literal(a.aggminitval), '') ELSE '' END
                   || CASE q.proparallel WHEN 's' THEN ', PARALLEL = SAFE' WHEN 'r' THEN ', PARALLEL = RESTRICTED' ELSE '' END
                   || CASE a.aggkind WHEN 'h' THEN ', HYPOTHETICAL' ELSE '' END || ')'
            FROM pg_proc q JOIN pg_aggregate a ON a.aggfnoid = q.oid WHERE q.oid = p.oid)
       END, p.schema, ''
FROM proc p

UNION ALL
SELECT x.kind, r.name || '.' || quote_ident(t.tgname) || x.suffix, x.definition, r.schema, r.name
FROM pg_trigger t JOIN rel r ON r.oid = t.tgrelid
CROSS JOIN LATERAL (VALUES
    ('trigger', '', pg_get_triggerdef(t.oid)),
    ('option', ' trigger',
     'ALTER TABLE ' || r.name || CASE t.tgenabled WHEN 'D' THEN ' DISABLE' WHEN 'R' THEN ' ENABLE REPLICA'
                                                  WHEN 'A' THEN ' ENABLE ALWAYS' END || ' TRIGGER ' || quote_ident(t.tgname))
) AS x (kind, suffix, definition)
WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND x.definition IS NOT NULL

UNION ALL
SELECT 'rule', r.name || '.' || quote_ident(w.rulename), rtrim(pg_get_ruledef(w.oid), ';'), r.schema, r.name
FROM pg_rewrite w JOIN rel r ON r.oid = w.ev_class
WHERE w.oid >= 16384 AND w.rulename <> '_RETURN'

UNION ALL
SELECT 'owner', lower(o.word) || ' ' || o.name,
       'ALTER ' || CASE o.word WHEN 'FOREIGN SERVER' THEN 'SERVER' ELSE o.word END || ' '
       || CASE o.word WHEN 'AGGREGATE' THEN replace(o.name, '()', '(*)') ELSE o.name END
       || ' OWNER TO ' || quote_ident(pg_get_userbyid(o.owner)), o.schema, o.relation
FROM object o
WHERE o.has_owner

UNION ALL
SELECT s.kind, s.name || ' ' || g.direction || ' ' || g.role || CASE WHEN g.grantable THEN ' with grant option' ELSE '' END,
       s.prefix || CASE g.direction WHEN 'to' THEN 'GRANT ' ELSE 'REVOKE ' END
       || string_agg(g.privilege || s.suffix, ', ' ORDER BY g.privilege) || s.target
       || CASE g.direction WHEN 'to' THEN ' TO ' ELSE ' FROM ' END || g.role
       || CASE WHEN g.grantable THEN ' WITH GRANT OPTION' ELSE '' END, s.schema, s.relation
FROM standing s
CROSS JOIN LATERAL (
    SELECT a.direction, a.privilege, a.grantable,
           CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS role
    FROM ((SELECT 'to' AS direction, a.grantee, a.privilege_type AS privilege, a.is_grantable AS grantable
           FROM aclexplode(s.acl) a
           EXCEPT SELECT 'to', a.grantee, a.privilege_type, a.is_grantable FROM aclexplode(s.implied) a)
          UNION ALL
          (SELECT 'from', a.grantee, a.privilege_type, false FROM aclexplode(s.implied) a
           EXCEPT SELECT 'from', a.grantee, a.privilege_type, false FROM aclexplode(s.acl) a)) a
) g
GROUP BY s.kind, s.name, s.schema, s.relation, s.prefix, s.target, g.direction, g.grantable, g.role

UNION ALL
SELECT 'comment', i.type || ' ' || n.name,
       'COMMENT ON '
       || CASE WHEN d.objsubid > 0 THEN 'COLUMN ' || n.name
               WHEN i.type = 'domain constraint'
               THEN (SELECT 'CONSTRAINT ' || quote_ident(c.conname) || ' ON DOMAIN ' || format_type(c.contypid, NULL)
                     FROM pg_constraint c WHERE c.oid = d.objoid)
               WHEN i.type = 'table constraint' THEN 'CONSTRAINT ' || n.name
               WHEN i.type = 'statistics object' THEN 'STATISTICS ' || n.name
               WHEN i.type = 'foreign-data wrapper' THEN 'FOREIGN DATA WRAPPER ' || n.name
               WHEN i.type = 'aggregate' THEN 'AGGREGATE ' || replace(n.name, '()', '(*)')
               ELSE upper(i.type) || ' ' || n.name END
       || ' IS ' || quote_literal(d.description),
       coalesce(r.schema, i.schema, CASE i.type WHEN 'schema' THEN n.name ELSE '' END),
       coalesce(r.relation, '')
FROM (SELECT d.*,
             CASE d.classoid
             WHEN 'pg_class'::regclass THEN coalesce((SELECT x.indrelid FROM pg_index x WHERE x.indexrelid = d.objoid), d.objoid)
             WHEN 'pg_constraint'::regclass THEN (SELECT c.conrelid FROM pg_constraint c WHERE c.oid = d.objoid)
             WHEN 'pg_trigger'::regclass THEN (SELECT t.tgrelid FROM pg_trigger t WHERE t.oid = d.objoid)
             WHEN 'pg_policy'::regclass THEN (SELECT p.polrelid FROM pg_policy p WHERE p.oid = d.objoid)
             WHEN 'pg_rewrite'::regclass THEN (SELECT w.ev_class FROM pg_rewrite w WHERE w.oid = d.objoid)
             WHEN 'pg_statistic_ext'::regclass THEN (SELECT s.stxrelid FROM pg_statistic_ext s WHERE s.oid = d.objoid)
             END AS relid
      FROM pg_description d
      WHERE d.objoid >= 16384 OR d.objoid = 2200 AND d.classoid = 'pg_namespace'::regclass) d
CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
CROSS JOIN LATERAL (
    SELECT CASE d.classoid WHEN 'pg_proc'::regclass THEN d.objoid::regprocedure::text ELSE i.identity END
) n (name)
LEFT JOIN rel r ON r.oid = d.relid
WHERE i.type IS NOT NULL AND (i.schema IS NULL OR i.schema IN (SELECT ns.name FROM ns))
  AND (d.classoid <> 'pg_namespace'::regclass OR d.objoid IN (SELECT ns.oid FROM ns))
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classoid AND m.objid = d.objoid)

UNION ALL
SELECT 'comment', 'database current_database', 'COMMENT ON DATABASE current_database IS ' || quote_literal(d.description), '', ''
FROM pg_shdescription d
WHERE d.classoid = 'pg_database'::regclass AND d.objoid = (SELECT oid FROM pg_database WHERE datname = current_database())

--@ rare
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
-- Options of a user mapping hold passwords: they are not read.
SELECT 'user_mapping', quote_ident(u.usename) || ' on ' || quote_ident(u.srvname), 'user mapping', '', ''
FROM pg_user_mappings u
--@ end
--@ usual
UNION ALL
SELECT 'rare', '', '', '', ''
WHERE EXISTS (SELECT FROM pg_publication) OR EXISTS (SELECT FROM pg_foreign_data_wrapper)
   OR EXISTS (SELECT FROM pg_cast c WHERE c.oid >= 16384)
   OR EXISTS (SELECT FROM pg_depend d
              WHERE d.objid >= 16384
                AND d.classid IN ('pg_collation'::regclass, 'pg_statistic_ext'::regclass, 'pg_operator'::regclass,
                                  'pg_opclass'::regclass, 'pg_ts_dict'::regclass, 'pg_ts_config'::regclass,
                                  'pg_event_trigger'::regclass, 'pg_policy'::regclass)
                AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classid AND m.objid = d.objid))
--@ end

UNION ALL
SELECT '', '', '', '', '' FROM setting WHERE set_config(setting.name, setting.was, true) IS NULL
) AS everything
LIMIT (SELECT 1000000000)
