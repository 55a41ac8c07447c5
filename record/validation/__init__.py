"""Whether a resource follows FHIR R4."""
