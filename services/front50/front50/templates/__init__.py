"""Pipeline templates (v2): kept under `id`, `id:tag` and `id@sha256:digest`; what is saved once is never lost."""
