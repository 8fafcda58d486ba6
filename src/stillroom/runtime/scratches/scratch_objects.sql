-- Every object of this database that neither the system nor an extension made, and that is not part of another one:
-- (rank, kind, identity, oid). The rank is the order in which dropping goes best.
WITH candidate (rank, class, oid) AS (
    SELECT 1, 'pg_event_trigger'::regclass, oid FROM pg_event_trigger
    UNION ALL SELECT 1, 'pg_publication'::regclass, oid FROM pg_publication
    UNION ALL SELECT 2, 'pg_extension'::regclass, oid FROM pg_extension
    UNION ALL SELECT 3, 'pg_namespace'::regclass, oid FROM pg_namespace
              WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'public'
    UNION ALL SELECT 4, 'pg_class'::regclass, c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND n.nspname NOT LIKE 'pg\_%'
    UNION ALL SELECT 5, 'pg_proc'::regclass, p.oid FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
              WHERE n.nspname NOT LIKE 'pg\_%'
    UNION ALL SELECT 6, 'pg_type'::regclass, t.oid FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
              WHERE t.typtype IN ('b', 'd', 'e', 'r', 'p') AND n.nspname NOT LIKE 'pg\_%'
    UNION ALL SELECT 7, 'pg_operator'::regclass, oid FROM pg_operator
    UNION ALL SELECT 7, 'pg_opfamily'::regclass, oid FROM pg_opfamily
    UNION ALL SELECT 7, 'pg_opclass'::regclass, oid FROM pg_opclass
    UNION ALL SELECT 7, 'pg_cast'::regclass, oid FROM pg_cast
    UNION ALL SELECT 7, 'pg_collation'::regclass, oid FROM pg_collation
    UNION ALL SELECT 7, 'pg_conversion'::regclass, oid FROM pg_conversion
    UNION ALL SELECT 7, 'pg_ts_config'::regclass, oid FROM pg_ts_config
    UNION ALL SELECT 7, 'pg_ts_dict'::regclass, oid FROM pg_ts_dict
    UNION ALL SELECT 7, 'pg_ts_parser'::regclass, oid FROM pg_ts_parser
    UNION ALL SELECT 7, 'pg_ts_template'::regclass, oid FROM pg_ts_template
    UNION ALL SELECT 7, 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
    UNION ALL SELECT 7, 'pg_foreign_server'::regclass, oid FROM pg_foreign_server
    UNION ALL SELECT 8, 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
    UNION ALL SELECT 8, 'pg_largeobject'::regclass, oid FROM pg_largeobject_metadata
    UNION ALL SELECT 8, 'pg_default_acl'::regclass, oid FROM pg_default_acl
    UNION ALL SELECT 9, 'pg_language'::regclass, oid FROM pg_language
)
SELECT c.rank, o.type::text, o.identity::text, c.oid::bigint
FROM candidate c, LATERAL pg_identify_object(c.class, c.oid, 0) o
WHERE (c.oid >= 16384 OR c.class = 'pg_largeobject'::regclass)  -- below are the objects that initdb makes
  AND NOT EXISTS (
    SELECT 1 FROM pg_depend d
    WHERE d.classid = c.class AND d.objid = c.oid AND d.objsubid = 0
      AND (d.deptype IN ('e', 'i') OR (d.deptype = 'a' AND d.refclassid = 'pg_class'::regclass))
  )
  AND o.identity IS NOT NULL
ORDER BY 1, 2, 3
