-- Where revisions are noted: the version table, what is known of it, and whether it can be read. See question.sql.
place AS MATERIALIZED (
    SELECT c.oid, c.relkind::text AS relkind, n.nspname::text AS schema, c.relname::text AS name,
           a.attnum IS NOT NULL AS has_column,
           a.attnum IS NOT NULL AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')
               AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT') AS may_read,
           pg_catalog.row_security_active(c.oid) AS hides_rows
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attname = 'version_num' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND VERSION_TABLE
)
