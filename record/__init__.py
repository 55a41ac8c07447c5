"""The hospital record: FHIR R4 resources kept, checked, found and shown. Knows no service."""
