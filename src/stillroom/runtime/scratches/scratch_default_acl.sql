-- Takes default privileges back: what they grant is revoked, and outside of schemas the built-in grants come back.
-- {oid} is that of the row in pg_default_acl, which is gone afterwards.
DO $body$
DECLARE
    entry record;
    line record;
    head text;
    kind text;
BEGIN
    SELECT d.*, n.nspname INTO entry
    FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace
    WHERE d.oid = {oid};
    IF entry.oid IS NULL THEN
        RETURN;
    END IF;
    kind := CASE entry.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
                WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END;
    head := 'ALTER DEFAULT PRIVILEGES FOR ROLE ' || entry.defaclrole::regrole::text
            || coalesce(' IN SCHEMA ' || pg_catalog.quote_ident(entry.nspname), '');
    FOR line IN SELECT DISTINCT grantee FROM pg_catalog.aclexplode(entry.defaclacl) LOOP
        EXECUTE head || ' REVOKE ALL ON ' || kind || ' FROM '
                || CASE line.grantee WHEN 0 THEN 'PUBLIC' ELSE line.grantee::regrole::text END;
    END LOOP;
    IF entry.nspname IS NULL THEN
        FOR line IN
            SELECT grantee, privilege_type
            FROM pg_catalog.aclexplode(pg_catalog.acldefault(
                CASE entry.defaclobjtype WHEN 'S' THEN 's' ELSE entry.defaclobjtype END, entry.defaclrole))
        LOOP
            EXECUTE head || ' GRANT ' || line.privilege_type || ' ON ' || kind || ' TO '
                    || CASE line.grantee WHEN 0 THEN 'PUBLIC' ELSE line.grantee::regrole::text END;
        END LOOP;
    END IF;
END
$body$
