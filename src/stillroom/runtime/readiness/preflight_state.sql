-- One row, one JSON value: what preflight has to know of a server and a database. PostgreSQL 10 and newer, any role.
SELECT pg_catalog.json_build_object(
    'version', pg_catalog.current_setting('server_version'),
    'version_num', pg_catalog.current_setting('server_version_num')::int,
    'address', pg_catalog.host(pg_catalog.inet_server_addr()),
    'port', pg_catalog.inet_server_port(),
    'database', d.datname,
    'role', current_user,
    'pid', pg_catalog.pg_backend_pid(),
    'default_schema', pg_catalog.current_schema(),
    'search_path', pg_catalog.current_setting('search_path'),
    'standby', pg_catalog.pg_is_in_recovery(),
    'read_only', pg_catalog.current_setting('transaction_read_only') = 'on',
    'superuser', r.rolsuper,
    'createdb', r.rolcreatedb OR r.rolsuper,
    'database_owner', pg_catalog.pg_get_userbyid(d.datdba),
    'create_schema', pg_catalog.has_database_privilege(d.oid, 'CREATE'),
    'schemas', (
        SELECT coalesce(pg_catalog.json_object_agg(n.nspname, pg_catalog.json_build_object(
            'owner', pg_catalog.pg_get_userbyid(n.nspowner),
            'usage', pg_catalog.has_schema_privilege(n.oid, 'USAGE'),
            'create', pg_catalog.has_schema_privilege(n.oid, 'CREATE'),
            'tables', (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class c
                       WHERE c.relnamespace = n.oid AND c.relkind IN ('r', 'p'))
        )), '{}')
        FROM pg_catalog.pg_namespace n
        WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    ),
    'others_tables', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(n.nspname, c.relname,
                                                                        pg_catalog.pg_get_userbyid(c.relowner))), '[]')
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
          AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')
          AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e
                          WHERE e.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND e.objid = c.oid
                            AND e.deptype = 'e')
    ),
    'version_tables', (
        SELECT coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
            'schema', n.nspname,
            'name', c.relname,
            'width', CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 END,
            'read', pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'),
            'write', pg_catalog.has_table_privilege(c.oid, 'INSERT')
                     AND pg_catalog.has_table_privilege(c.oid, 'UPDATE')
                     AND pg_catalog.has_table_privilege(c.oid, 'DELETE')
        ) ORDER BY n.nspname, c.relname), '[]')
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attname = 'version_num' AND a.attnum = 1 AND c.relnatts = 1 AND c.relkind IN ('r', 'p')
    ),
    'extensions', (
        SELECT coalesce(pg_catalog.json_object_agg(e.name, e.installed_version), '{}')
        FROM pg_catalog.pg_available_extensions e
    ),
    'roles', (SELECT pg_catalog.json_agg(a.rolname) FROM pg_catalog.pg_roles a),
    -- to_jsonb, because `trusted` came with PostgreSQL 13.
    'trusted_extensions', (
        SELECT coalesce(pg_catalog.json_agg(DISTINCT v.name), '[]')
        FROM pg_catalog.pg_available_extension_versions v
        WHERE NOT v.superuser OR (pg_catalog.to_jsonb(v) ->> 'trusted')::boolean
    )
)::text
FROM pg_catalog.pg_database d, pg_catalog.pg_roles r
WHERE d.datname = pg_catalog.current_database() AND r.rolname = current_user
