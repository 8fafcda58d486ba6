"""What a service's runtime is told that only the registry says, whatever the environment."""

from __future__ import annotations

from stillroom.registry import model
from stillroom.runtime import facts

__all__ = ["of"]


def of(service: model.Service) -> facts.ServiceFacts:
    """Where the service's project is, and what the registry declares of it."""
    return facts.ServiceFacts(
        name=service.name,
        path=str(service.path),
        config=None if service.config is None else str(service.config),
        ini_section=service.ini_section,
        script_location=service.script_location,
        version_locations=service.version_locations,
        recursive_version_locations=service.recursive_version_locations,
        prepend_sys_path=service.prepend_sys_path,
        setup=service.setup,
        run_in=service.run_in,
        bootstrap=service.bootstrap,
        env_file=service.env_file,
        url=None if service.url is None else dict(service.url),
        models=service.models,
        metadata=service.metadata,
        url_variable=service.url_variable,
        scratch_url_variable=service.scratch_url_variable,
        schemas=service.schemas,
        version_table=service.version_table,
        version_table_schema=service.version_table_schema,
        extensions=service.extensions,
        heads=service.heads,
        version_width=service.version_width,
        service_role=service.service_role,
        grants=service.grants,
        neighbours=service.shares_with,
    )
