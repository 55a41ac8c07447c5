"""The diagnosis codes a doctor may record, as a small ICD-10 subset."""
