-- Every object that somebody made in the connected database, for objects.py: four statements, each under its name.
-- No percent sign and no colon-name may stand here: drivers would take them for parameters.
-- 16384 is the first object id that initdb does not use.

-- name: objects
-- Whole objects: not parts of others (objects.sql: parts), not members of extensions, not what comes with a range type.
-- mine: the role owns it or is a member of its owner, not counting what only superusers may.
-- locks: how many locks dropping it takes.
WITH RECURSIVE me (oid) AS (
    SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user
    UNION
    SELECT m.roleid FROM pg_auth_members m JOIN me ON me.oid = m.member
),
candidate AS (
    SELECT 'pg_class'::regclass AS classid, c.oid, c.relnamespace AS nsid, c.relowner AS owner, c.relkind::text AS kind,
           1 + coalesce((SELECT count(*) FROM pg_index i WHERE i.indrelid = c.oid), 0)
             + CASE WHEN c.reltoastrelid <> 0 THEN 2 ELSE 0 END AS locks
    FROM pg_class c
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND c.relpersistence <> 't'
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, p.pronamespace, p.proowner, 'routine', 1 FROM pg_proc p WHERE p.oid >= 16384
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, t.typnamespace, t.typowner,
           CASE t.typtype WHEN 'e' THEN 'enum' ELSE 'type' END, 2
    FROM pg_type t
    WHERE t.oid >= 16384 AND t.typtype IN ('e', 'd', 'c', 'r', 'b')
      AND (t.typrelid = 0 OR (SELECT c.relkind = 'c' FROM pg_class c WHERE c.oid = t.typrelid))
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid
                       AND d.refclassid = 'pg_type'::regclass AND d.deptype = 'i')
    UNION ALL SELECT 'pg_collation'::regclass, oid, collnamespace, collowner, 'other', 1 FROM pg_collation
    UNION ALL SELECT 'pg_conversion'::regclass, oid, connamespace, conowner, 'other', 1 FROM pg_conversion
    UNION ALL SELECT 'pg_operator'::regclass, oid, oprnamespace, oprowner, 'other', 1 FROM pg_operator WHERE oid >= 16384
    UNION ALL SELECT 'pg_opfamily'::regclass, oid, opfnamespace, opfowner, 'other', 1 FROM pg_opfamily
    UNION ALL SELECT 'pg_opclass'::regclass, oid, opcnamespace, opcowner, 'other', 1 FROM pg_opclass
    UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxnamespace, stxowner, 'other', 1 FROM pg_statistic_ext
    UNION ALL SELECT 'pg_ts_config'::regclass, oid, cfgnamespace, cfgowner, 'other', 1 FROM pg_ts_config
    UNION ALL SELECT 'pg_ts_dict'::regclass, oid, dictnamespace, dictowner, 'other', 1 FROM pg_ts_dict
    UNION ALL SELECT 'pg_ts_parser'::regclass, oid, prsnamespace, 10, 'other', 1 FROM pg_ts_parser
    UNION ALL SELECT 'pg_ts_template'::regclass, oid, tmplnamespace, 10, 'other', 1 FROM pg_ts_template
    UNION ALL SELECT 'pg_event_trigger'::regclass, oid, 0, evtowner, 'other', 1 FROM pg_event_trigger
    UNION ALL
    SELECT 'pg_cast'::regclass, c.oid, 0, (SELECT t.typowner FROM pg_type t WHERE t.oid IN (c.castsource, c.casttarget)
                                           ORDER BY t.oid DESC LIMIT 1), 'other', 1
    FROM pg_cast c WHERE c.oid >= 16384
)
SELECT c.classid::oid::bigint, c.oid::bigint, c.kind, i.type, i.identity,
       coalesce(quote_ident(n.nspname), ''), quote_ident(pg_get_userbyid(c.owner)),
       pg_has_role(c.owner, 'USAGE') AS may, c.owner IN (SELECT me.oid FROM me) AS mine, c.locks,
       coalesce(has_schema_privilege(n.oid, 'USAGE'), true) AS reachable
FROM candidate c
LEFT JOIN pg_namespace n ON n.oid = c.nsid
CROSS JOIN LATERAL pg_identify_object(c.classid, c.oid, 0) i
WHERE c.oid >= 16384 AND (n.oid IS NULL OR n.nspname !~ '^pg_' AND n.nspname <> 'information_schema')
  AND i.identity IS NOT NULL
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = c.classid AND d.objid = c.oid
                   AND (d.deptype = 'e' OR d.deptype = 'i' AND c.classid IN ('pg_proc'::regclass, 'pg_cast'::regclass)))

-- name: parts
-- What is part of another object, and of which one: it goes when that goes. The name is that of a foreign key.
SELECT 'pg_rewrite'::regclass::oid::bigint, oid::bigint, 'pg_class'::regclass::oid::bigint, ev_class::bigint, NULL
FROM pg_rewrite WHERE oid >= 16384
UNION ALL SELECT 'pg_attrdef'::regclass::oid::bigint, oid::bigint, 'pg_class'::regclass::oid::bigint, adrelid::bigint, NULL
FROM pg_attrdef WHERE oid >= 16384
UNION ALL SELECT 'pg_constraint'::regclass::oid::bigint, oid::bigint,
                 CASE WHEN conrelid <> 0 THEN 'pg_class'::regclass ELSE 'pg_type'::regclass END::oid::bigint,
                 CASE WHEN conrelid <> 0 THEN conrelid ELSE contypid END::bigint,
                 CASE WHEN contype = 'f' AND conparentid = 0 THEN quote_ident(conname) END
FROM pg_constraint WHERE oid >= 16384
UNION ALL SELECT 'pg_trigger'::regclass::oid::bigint, oid::bigint, 'pg_class'::regclass::oid::bigint, tgrelid::bigint, NULL
FROM pg_trigger WHERE oid >= 16384
UNION ALL SELECT 'pg_policy'::regclass::oid::bigint, oid::bigint, 'pg_class'::regclass::oid::bigint, polrelid::bigint, NULL
FROM pg_policy WHERE oid >= 16384
UNION ALL SELECT 'pg_amop'::regclass::oid::bigint, oid::bigint, 'pg_opfamily'::regclass::oid::bigint, amopfamily::bigint, NULL
FROM pg_amop WHERE oid >= 16384
UNION ALL SELECT 'pg_amproc'::regclass::oid::bigint, oid::bigint, 'pg_opfamily'::regclass::oid::bigint, amprocfamily::bigint, NULL
FROM pg_amproc WHERE oid >= 16384
UNION ALL SELECT 'pg_class'::regclass::oid::bigint, indexrelid::bigint, 'pg_class'::regclass::oid::bigint, indrelid::bigint, NULL
FROM pg_index WHERE indexrelid >= 16384
-- A row type is part of its table, the relation of a composite type is part of the type.
UNION ALL SELECT 'pg_type'::regclass::oid::bigint, c.reltype::bigint, 'pg_class'::regclass::oid::bigint, c.oid::bigint, NULL
FROM pg_class c WHERE c.oid >= 16384 AND c.reltype <> 0 AND c.relkind <> 'c'
UNION ALL SELECT 'pg_class'::regclass::oid::bigint, c.oid::bigint, 'pg_type'::regclass::oid::bigint, c.reltype::bigint, NULL
FROM pg_class c WHERE c.oid >= 16384 AND c.relkind = 'c'
UNION ALL SELECT 'pg_type'::regclass::oid::bigint, typarray::bigint, 'pg_type'::regclass::oid::bigint, oid::bigint, NULL
FROM pg_type WHERE oid >= 16384 AND typarray <> 0
-- Multiranges, functions and casts of a range type; sequences of serial and identity columns.
UNION ALL SELECT classid::bigint, objid::bigint, refclassid::bigint, refobjid::bigint, NULL FROM pg_depend
WHERE objid >= 16384 AND deptype = 'i' AND refclassid = 'pg_type'::regclass
  AND classid IN ('pg_type'::regclass, 'pg_proc'::regclass, 'pg_cast'::regclass)
UNION ALL SELECT d.classid::bigint, d.objid::bigint, d.refclassid::bigint, d.refobjid::bigint, NULL
FROM pg_depend d JOIN pg_sequence s ON s.seqrelid = d.objid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')

-- name: dependencies
-- Which object needs which.
SELECT d.classid::bigint, d.objid::bigint, d.refclassid::bigint, d.refobjid::bigint
FROM pg_depend d
WHERE d.objid >= 16384 AND d.refobjid >= 16384 AND d.deptype IN ('n', 'a')
  AND d.classid NOT IN ('pg_default_acl'::regclass, 'pg_publication_rel'::regclass)
  AND d.refclassid NOT IN ('pg_namespace'::regclass, 'pg_extension'::regclass)

-- name: place
-- Where we are, and how many locks the server has room for.
SELECT current_database(), quote_ident(current_user),
       current_setting('max_locks_per_transaction')::integer
       * (current_setting('max_connections')::integer + current_setting('max_prepared_transactions')::integer)
